# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The connection of the bodies between two jobs: as if it were a new one."""

from __future__ import annotations

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ, TRANSACTION_STATUS_IDLE

from .. import storage
from ..log_lines import get_logger

_logger = get_logger(__name__)
#: as psycopg2 names it
_ENCODING = "UTF8"


def renew(lease) -> bool:
    """Undo what the last body, or what hangs on its commit, left on the connection.

    What was read after the commit had given the next job a snapshot in which it has
    not been started; settings, temporary tables, locks of the session and the like
    would be strangers to it. The next transaction is begun in the same round trip, and
    sees nothing before its first query.

    :return: whether there is a connection to go on with
    """
    cr = lease.env.cr
    try:
        if cr._cnx.info.transaction_status != TRANSACTION_STATUS_IDLE:
            cr.rollback()
        ensure_opened(cr)
        storage.session.reset(cr, lease.known_as)
    except psycopg2.Error as error:
        _logger.info("The connection of the jobs is lost, their lease ends: %s", error)
        return False
    return True


def ensure_opened(cr) -> None:
    """Have psycopg2 treat the connection as one that Odoo just opened."""
    if not _as_opened(cr):
        reopen(cr)


def _as_opened(cr) -> bool:
    """Has nobody changed how psycopg2 begins transactions and reads values?"""
    cnx = cr._cnx
    types = (cnx.string_types, cnx.binary_types)
    return (
        not any(types)
        and cnx.encoding == _ENCODING
        and cnx.cursor_factory is None
        and not cnx.autocommit
        and cnx.isolation_level == ISOLATION_LEVEL_REPEATABLE_READ
        and cnx.readonly is False
        and cnx.deferrable is None
    )


def reopen(cr) -> None:
    """As Odoo's cursor does with a connection of the pool; what was open is undone."""
    cnx = cr._cnx
    cnx.reset()
    cnx.set_client_encoding(_ENCODING)
    cnx.cursor_factory = None
    cnx.string_types.clear()
    cnx.binary_types.clear()
    cnx.autocommit = False
    cnx.set_isolation_level(ISOLATION_LEVEL_REPEATABLE_READ)
    cnx.set_session(readonly=False)
