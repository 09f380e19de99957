# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Fields that hold numbers of jobs: 64 bits, so that an update leaves them so."""

from __future__ import annotations

from odoo import fields

from ..storage import ids


class _Wide:
    _column_type = ("int8", "int8")

    def _convert_db_column(self, model, column):
        # with the other columns of the table: it is written anew only once
        ids.widen(model.env.cr)


class BigInteger(_Wide, fields.Integer):
    """An integer of 64 bits."""


class BigMany2one(_Wide, fields.Many2one):
    """A link to a model whose ids have 64 bits."""
