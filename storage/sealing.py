# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The seal of a job: what it calls is what ``with_delay()`` encoded (D14).

``sealed`` is a column that no model knows, so no ``create`` or ``write`` can set it,
whoever calls them. The insertion of the enqueuing code sets it; a trigger takes it away
when what the job calls, or as whom, is changed. An unsealed row is never executed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

#: what the seal vouches for
SEALED_FIELDS = (
    "model_name",
    "method_name",
    "records",
    "args",
    "kwargs",
    "user_id",
    "company_id",
)
_CHANGED = " OR ".join(
    f"OLD.{each} IS DISTINCT FROM NEW.{each}" for each in SEALED_FIELDS
)

# The rows that are there when the column comes were written by an earlier version, or
# by the add-on that this one replaces. A constant default seals them all without
# writing one; whatever comes later is unsealed unless it says otherwise.
_COLUMN = """
ALTER TABLE queue_job ADD COLUMN IF NOT EXISTS sealed boolean DEFAULT true;
ALTER TABLE queue_job ALTER COLUMN sealed SET DEFAULT false
"""
_TRIGGER = f"""
CREATE OR REPLACE FUNCTION queue_job_unseal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sealed := false;
    RETURN NEW;
END
$$;
DROP TRIGGER IF EXISTS queue_job_unseal ON queue_job;
CREATE TRIGGER queue_job_unseal
    BEFORE UPDATE OF {", ".join(SEALED_FIELDS)} ON queue_job FOR EACH ROW
    WHEN ({_CHANGED}) EXECUTE FUNCTION queue_job_unseal()
"""
_DROP = "DROP FUNCTION IF EXISTS queue_job_unseal() CASCADE"
_SEAL = "UPDATE queue_job SET sealed = true WHERE id = ANY(%s)"
_SEALED = "SELECT id FROM queue_job WHERE id = ANY(%s) AND sealed"
_WARRANT = """
SELECT job.sealed IS TRUE, job.user_id, usr.active
  FROM queue_job AS job LEFT JOIN res_users AS usr ON usr.id = job.user_id
 WHERE job.id = %s
"""


class Warrant(NamedTuple):
    """What a job may be executed on."""

    sealed: bool
    user_id: int | None
    #: None: the user is gone
    user_active: bool | None


def prepare(cr) -> None:
    """Create column and trigger; rows that are there before the column are sealed."""
    cr.execute(_COLUMN)
    cr.execute(_TRIGGER)


def drop(cr) -> None:
    """Remove what outlives the table."""
    cr.execute(_DROP)


def seal(cr, ids: Iterable[int]) -> None:
    """Vouch for these jobs: for the code that has encoded their calls, alone."""
    cr.execute(_SEAL, (list(ids),))


def sealed(cr, ids: Iterable[int]) -> list[int]:
    """Those of the jobs that are sealed."""
    cr.execute(_SEALED, (list(ids),))
    return [row[0] for row in cr.fetchall()]


def warrant(cr, job_id: int) -> Warrant | None:
    """What the job may be executed on; None when it does not exist."""
    cr.execute(_WARRANT, (job_id,))
    row = cr.fetchone()
    return Warrant._make(row) if row else None
