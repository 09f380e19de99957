# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Jobs are found by those that they wait for, and by those that wait for them."""

from __future__ import annotations

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..core import states
from ..storage import listing, neighbours


class QueueJob(models.Model):
    _inherit = "queue.job"

    dependency_ids = fields.Many2many(search="_search_dependency_ids")
    dependent_ids = fields.Many2many(search="_search_dependent_ids")

    held_by_ids = fields.Many2many(
        "queue.job",
        string="Held by",
        compute="_compute_held_by_ids",
        help="Jobs that this one waits for, however far, and that will not be done by "
        "themselves.",
    )

    @api.depends("state")
    def _compute_held_by_ids(self):
        for job in self:
            uuids = []
            if job.state == states.WAIT_DEPENDENCIES:
                uuids = [
                    each["uuid"] for each in listing.holders(self.env.cr, job.uuid)
                ]
            # those that whoever looks may see
            job.held_by_ids = self.search([("uuid", "in", uuids)]) if uuids else False

    def _search_dependency_ids(self, operator, value):
        return self._search_neighbours(neighbours.BEHIND, operator, value)

    def _search_dependent_ids(self, operator, value):
        return self._search_neighbours(neighbours.BEFORE, operator, value)

    def _search_neighbours(self, query, operator, value):
        """The jobs beside those that a condition names.

        :param query: of ``storage.neighbours``
        """
        if operator in ("any", "any!"):
            return self._beside(query, Domain("id", operator, value))
        if operator != "in":
            return NotImplemented
        found = self._beside(
            query, Domain("id", "in", [each for each in value if each])
        )
        # false among the values: those that have no such job
        return found if all(value) else found | ~self._beside(query, Domain.TRUE)

    def _beside(self, query, domain):
        def to_sql(model, alias, _query):
            jobs = self.with_context(active_test=False)._search(domain)
            ids = SQL(query, jobs.subselect())
            return SQL("%s IN (%s)", SQL.identifier(alias, "id"), ids)

        return Domain.custom(to_sql=to_sql)
