# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The seal of a job: what it calls is what ``with_delay()`` encoded (D14).

``sealed`` is a column that no model knows, so no ``create`` or ``write`` can set it,
whoever calls them. The insertion of the enqueuing code sets it; a trigger takes it away
when what the job calls, or as whom, is changed. An unsealed row is never executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from psycopg2 import sql

from . import catalogue

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
_COLUMN = {"sealed": "boolean DEFAULT true"}
_DEFAULT = {"sealed": "false"}
_BODY = """
BEGIN
    NEW.sealed := false;
    RETURN NEW;
END
"""
_TRIGGER = f"""
CREATE OR REPLACE FUNCTION queue_job_unseal() RETURNS trigger LANGUAGE plpgsql
    AS $${_BODY}$$;
DROP TRIGGER IF EXISTS queue_job_unseal ON queue_job;
CREATE TRIGGER queue_job_unseal
    BEFORE UPDATE OF {", ".join(SEALED_FIELDS)} ON queue_job FOR EACH ROW
    WHEN ({_CHANGED}) EXECUTE FUNCTION queue_job_unseal()
"""
# Each server writes the definition of a trigger in its own way: ours stands beside it.
_MARK = "COMMENT ON TRIGGER queue_job_unseal ON queue_job IS {}"
_IS_AS_DEFINED = """
SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
 WHERE tgrelid = 'queue_job'::regclass AND tgname = 'queue_job_unseal'
   AND tgenabled = 'O' AND obj_description(pg_trigger.oid, 'pg_trigger') = %s
   AND proname = 'queue_job_unseal' AND prosrc = %s
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
    catalogue.add_columns(cr, "queue_job", _COLUMN)
    catalogue.set_defaults(cr, "queue_job", _DEFAULT)
    definition = hashlib.sha1(_TRIGGER.encode()).hexdigest()
    cr.execute(_IS_AS_DEFINED, (definition, _BODY))
    if not cr.rowcount:
        catalogue.alter(cr, _TRIGGER)
        cr.execute(sql.SQL(_MARK).format(sql.Literal(definition)))


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
