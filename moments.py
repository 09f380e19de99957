# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Where a cursor is between its statements: in which hook, before which statement.

Odoo tells neither. The hooks are found on the stack, once for each buffer of jobs; the
statements are seen by a stand-in for the cursor's methods, as long as jobs wait.
"""

from __future__ import annotations

import re
import sys
from enum import Enum

from odoo.sql_db import BaseCursor, Cursor
from odoo.tools import SQL
from odoo.tools.misc import Callbacks


class Moment(Enum):
    OPEN = "a transaction that may be committed"
    DOOMED = "a hook before a rollback: all is undone in a moment"
    OVER = "a hook behind the end of the transaction"


_RUN = Callbacks.run.__code__
_ENDS = frozenset({Cursor.commit.__code__, Cursor.rollback.__code__})
#: ends transactions by its own means
_EXECUTOR = "odoo.addons.queue_job.executor"


def of(cr: BaseCursor) -> Moment:
    """In which hook of the cursor is the caller?"""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _RUN:
            moment = _hook(cr, frame)
            if moment is not Moment.OPEN:
                return moment
        frame = frame.f_back
    return Moment.OPEN


def _hook(cr, frame) -> Moment:
    caller = frame.f_back
    # A test that runs the hooks by hand has not ended its transaction.
    if caller.f_code not in _ENDS and not _is_executor(caller):
        return Moment.OPEN
    callbacks = frame.f_locals.get("self")
    if callbacks is cr.prerollback:
        return Moment.DOOMED
    over = callbacks is cr.postcommit or callbacks is cr.postrollback
    return Moment.OVER if over else Moment.OPEN


def _is_executor(frame) -> bool:
    return frame.f_globals.get("__name__", "").startswith(_EXECUTOR)


# ------------------------------------------------------------------------- statements

_STATEMENTS = (
    "execute",
    "executemany",
    "copy_expert",
    "copy_from",
    "copy_to",
    "callproc",
)
# What reads or writes our tables, and what begins or ends (a part of) a transaction.
_CONCERNS = r"""
    queue_job | \bsavepoint\b
  | (?: ^ | ; | \*/ ) \s* (?: rollback | abort | commit | end | prepare ) \b
"""
_FLAGS = re.IGNORECASE | re.VERBOSE | re.MULTILINE
_concerns = re.compile(_CONCERNS, _FLAGS).search
_undoes = re.compile(r"\s*(?:rollback|abort)\b", re.IGNORECASE).match


_ATTRIBUTE = "_queue_job_watch"


def watch_of(cr) -> Watch | None:
    """The watch over the cursor; it outlives a rollback that nobody told us of."""
    return vars(cr).get(_ATTRIBUTE)


class Watch:
    """Has ``callback(cr, text)`` called before statements of a cursor that matter.

    ``paused``: before none.
    """

    def __init__(self, cr, callback):
        self.cr, self.callback = cr, callback
        self.paused = False
        own = vars(cr)
        own[_ATTRIBUTE] = self
        self._before = {name: own.get(name) for name in _STATEMENTS}
        self._ours = {name: self._stand_in(getattr(cr, name)) for name in _STATEMENTS}
        own.update(self._ours)

    def _stand_in(self, method):
        def statement(*args, **kwargs):
            if not self.paused:
                text = _text(self.cr, args[0] if args else next(iter(kwargs.values())))
                if _concerns(text):
                    self.callback(self.cr, text)
            return method(*args, **kwargs)

        return statement

    def end(self) -> None:
        """Give the cursor its own methods back."""
        own = vars(self.cr)
        own.pop(_ATTRIBUTE, None)
        for name, ours in self._ours.items():
            if own.get(name) is not ours:
                continue  # somebody stands in for us
            if self._before[name] is None:
                del own[name]
            else:
                own[name] = self._before[name]


def undoes(cr, text: str) -> bool:
    """Does nothing of what waits survive the statement?"""
    # 3: an error has ended the transaction, libpq's PQTRANS_INERROR
    return bool(_undoes(text)) or cr.connection.get_transaction_status() == 3


def _text(cr, query) -> str:
    if isinstance(query, str):
        return query
    if isinstance(query, SQL):
        return query.code
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    return query.as_string(cr.connection)  # of psycopg2.sql
