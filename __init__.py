# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import controllers, delay, exception, fields, job, jobrunner, models, wizards
from .hooks import post_load, pre_init_hook, uninstall_hook
from .job import identity_exact
