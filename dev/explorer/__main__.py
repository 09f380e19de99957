# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``python -m explorer`` from the folder ``dev``."""

import os
import sys

from odoo.tools import config

if __name__ == "__main__":
    config.parse_config(["-c", os.environ["QUEUE_JOB_TEST_CONF"]], setup_logging=False)
    from explorer.cli import main

    sys.exit(main())
