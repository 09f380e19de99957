# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What Odoo calls when it loads, installs or uninstalls the add-on."""

from . import storage
from .controllers import entrance
from .jobrunner import server


def post_load():
    """Have the server start a runner and answer it, when it loads the add-on itself."""
    server.install()
    entrance.install()


def pre_init_hook(env):
    """Nothing of an older installation may stand in the way of the tables."""
    storage.schema.drop(env.cr)


def uninstall_hook(env):
    """Remove the tables that no model stands for."""
    storage.schema.drop(env.cr)
