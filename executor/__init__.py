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
``telling``
    of jobs that runners ended, to who has to know
``watching``
    jobs that have to stop
``keys``
    who may ask for it
``hooks``
    the steps that other add-ons may wrap
"""

from .hooks import JobHooks, hooks_of
from .keys import prove
from .serving import serve
from .telling import tell

__all__ = ["JobHooks", "hooks_of", "prove", "serve", "tell"]
