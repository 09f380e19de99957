# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import queue_job, test_queue_effect, test_queue_event
