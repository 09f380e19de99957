# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import models


def before_installation(env):
    # The models of this add-on are not there yet, those of others are.
    env["test.queue.effect"].with_delay().leave("pre_init_hook")


def after_installation(env):
    env["test.queue.effect"].with_delay().leave_from_hook("post_init_hook")
