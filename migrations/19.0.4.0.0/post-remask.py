# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Names of arguments that are hidden match more than before: stored texts as well."""

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    api.Environment(cr, SUPERUSER_ID, {})["queue.job"]._remask_later()
