# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Few unfinished jobs are found at once among a million that are done.

The indexes of jobs hold those of some states alone, so that they are small and cheap. A
condition on states is written in the parts that they hold.
"""

from __future__ import annotations

from odoo import api, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..core import states

_STATES = {*states.UNFINISHED, *states.ENDED}


class QueueJob(models.Model):
    _inherit = "queue.job"

    # Those that wait for others are in no other index by their state. By their barrier:
    # whoever releases them must not read all of them should it take this index.
    _waiting_idx = models.Index("(barrier_id) WHERE state = 'wait_dependencies'")

    @api.model
    def _search(self, domain, *args, **kwargs):
        domain = Domain(domain)
        asked = {each.field_expr for each in domain.iter_conditions()}
        if "ready" in asked:
            domain = domain.map_conditions(_ready)
        elif "state" in asked:
            domain = domain.map_conditions(_state)
        return super()._search(domain, *args, **kwargs)


def _ready(condition):
    """Whether jobs are ready, as the predicates of the indexes say it."""
    if condition.field_expr != "ready" or condition.operator != "=":
        return condition
    text = "%s" if condition.value else "NOT %s"

    def to_sql(model, alias, query):
        return SQL(text, model._field_to_sql(alias, "ready", query))

    return Domain.custom(to_sql=to_sql)


def _state(condition):
    """One of some states: each part is in one index."""
    if condition.field_expr != "state" or condition.operator not in ("=", "in"):
        return condition
    value = condition.value
    wanted = {value} if isinstance(value, str) else set(value or ())
    if not wanted or not wanted <= _STATES:
        return condition

    def to_sql(model, alias, query):
        state = model._field_to_sql(alias, "state", query)
        ready = model._field_to_sql(alias, "ready", query)
        return SQL("(%s)", SQL(" OR ").join(_parts(wanted, state, ready)))

    return Domain.custom(to_sql=to_sql)


def _parts(wanted, state, ready):
    for each in sorted(wanted.difference(states.RUNNING)):
        if each == states.PENDING:
            # Those that may run are in one index, those held by a date in another.
            yield SQL("(%s = %s AND %s)", state, each, ready)
            yield SQL("(%s = %s AND NOT %s)", state, each, ready)
        else:
            yield SQL("%s = %s", state, each)
    if running := wanted.intersection(states.RUNNING):
        yield SQL("%s IN %s", state, tuple(sorted(running)))
