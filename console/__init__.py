# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What ``odoo-bin queue_job`` does; the command itself is in ``cli/``.

``commands``
    one function per sub-command, each returns what it has to tell
``draining``
    jobs executed in this process
``benchmark``
    how fast empty jobs come in and out
``reading``
    what needs no registry
``checking``
    mistakes of a deployment
``texts``
    what is told, for people
"""

from . import benchmark, checking, commands, draining, reading, texts
from .selection import Refused
