# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner: decides which jobs run now, and asks the server to execute them.

``config``
    what the server's configuration says
``scheduling``
    one pass over a database, as a function of its tables
``database``
    a database that is served: its connections, when it is due
``dispatch``
    the requests to execute jobs
``runner``
    the loop around them
``server``
    its place in the processes of Odoo's server

Nothing that matters lives here: any number of runners work at the same time, and any
of them may die at any moment.
"""

from . import channels, config, runner, server
from .runner import QueueJobRunner
