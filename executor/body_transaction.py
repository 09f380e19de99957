# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The transaction of a body, when the body did to it what it should not.

A body may swallow an error of the database, which has ended its transaction all the
same, or wrap it in an error of its own; it may end the transaction by SQL, switch to
autocommit, or fork. What is told of its job is true then as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.errors import InFailedSqlTransaction
from psycopg2.extensions import STATUS_BEGIN, TRANSACTION_STATUS_IDLE

from odoo.sql_db import Cursor

from ..log_lines import get_logger
from . import session

_logger = get_logger(__name__)

_HEARD = "_queue_job_heard"
#: how Odoo's cursor has statements executed; all but the first are psycopg2's own
_STATEMENTS = {
    "execute": lambda cr, *args, **kwargs: Cursor.execute(cr, *args, **kwargs),
    "executemany": lambda cr, *args, **kwargs: cr._obj.executemany(*args, **kwargs),
    "copy_expert": lambda cr, *args, **kwargs: cr._obj.copy_expert(*args, **kwargs),
    "copy_from": lambda cr, *args, **kwargs: cr._obj.copy_from(*args, **kwargs),
    "copy_to": lambda cr, *args, **kwargs: cr._obj.copy_to(*args, **kwargs),
}
_WENT_ON = (
    "\n\nThe method went on after this error, which had ended its transaction: what it"
    " did is undone."
)
_STAYS = (
    "The method has ended the transaction of its job by SQL (COMMIT, ROLLBACK), or"
    " switched to autocommit: what was committed so stays, whatever becomes of the job."
)
_ALLOW = (
    " If the method is made for that, allow it on its job function (Allow Commit) or"
    " with @job(allow_commit=True)."
)


class TransactionEnded(RuntimeError):
    """The body has ended the transaction in which its end was to be written."""


def overhear(cr) -> None:
    """Have the cursor remember the last error of the database in a job.

    psycopg2 tells it to whoever executes the statement, and nobody afterwards: not even
    PostgreSQL knows what a transaction was aborted for.
    """
    own = vars(cr)
    if _HEARD not in own:
        own.update(
            {name: _stand_in(cr, method) for name, method in _STATEMENTS.items()}
        )
    own[_HEARD] = None


def _stand_in(cr, method):
    def statement(*args, **kwargs):
        try:
            return method(cr, *args, **kwargs)
        except psycopg2.Error as error:
            if not isinstance(error, InFailedSqlTransaction):
                vars(cr)[_HEARD] = error
            raise

    return statement


def real_error(cr, error: BaseException) -> tuple[BaseException, str]:
    """The error that ended the transaction, if this one only says that one did.

    :return: the error, and what is to be told besides
    """
    heard = vars(cr).get(_HEARD)
    if heard is not None and issubclass(type(error), InFailedSqlTransaction):
        return heard, _WENT_ON
    if type(cr) is Cursor and type(error) is not TransactionEnded and is_ended(cr):
        return error, f"\n\n{_STAYS}"
    return error, ""


def behind(cr, error: BaseException) -> Iterator[BaseException]:
    """The errors that this one was raised for, or in handling which."""
    seen = {id(error)}
    following = [error]
    while following:
        each = following.pop()
        # not as attributes, which anybody may define anew
        for name in ("__cause__", "__context__"):
            other = BaseException.__dict__[name].__get__(each)
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                following.append(other)
                yield real_error(cr, other)[0]


def check(cr, may_commit: bool) -> None:
    """See that the transaction still is the one that was begun for the body.

    :raises TransactionEnded: the body has ended it and may not do so
    """
    if type(cr) is not Cursor or not is_ended(cr):
        return
    if not may_commit:
        raise TransactionEnded(_STAYS + _ALLOW)
    session.reopen(cr)


def is_ended(cr) -> bool:
    """Has a statement, or autocommit, ended it without psycopg2's knowing?"""
    cnx = cr._cnx
    return not cnx.closed and (
        cnx.autocommit
        or (
            cnx.status == STATUS_BEGIN
            and cnx.info.transaction_status == TRANSACTION_STATUS_IDLE
        )
    )


@contextmanager
def in_this_process():
    """Have a process that the block forks end at the end of the block.

    It would write the end of the job as well, on the connection of its parent.
    """
    pid = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != pid:
            _logger.error("A process that a job has forked came out of its method")
            os._exit(1)
