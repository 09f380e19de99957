# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the queue is doing: for the dashboard, for monitors, and for a shell.

All of it is read by SQL with a cursor: a command that tells it loads no registry.

``reading``
    channels, runners and what is wrong at this moment
``channels``
    the channels in force with their jobs
``series``
    what ended, and how long it took
``texts``
    what is wrong, in words
"""

from . import channels, reading, series, texts
