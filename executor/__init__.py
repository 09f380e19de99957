# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Execution of jobs: claim -> perform -> outcome -> record. No HTTP here.

``serve``
    a lease of a slot: the job that a request names, then the next ones of its channel
``claiming``
    jobs taken from the table, one lease's connection and locks
``performing``
    the body in its transaction, its error as a value
``recording``
    the outcome written, whoever waited for it released
``watching``
    jobs that have to stop
``hooks``
    the steps that other add-ons may wrap
"""

from .connections import secret
from .hooks import JobHooks, hooks_of
from .serving import serve

__all__ = ["JobHooks", "hooks_of", "secret", "serve"]
