# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""May a job be executed at all? Asked before anything of its call is read (D14)."""

from __future__ import annotations

from odoo import SUPERUSER_ID

from .exception import JobRefused

_UNSEALED = (
    "This job is not executed: its call was not written by with_delay(), or was changed"
    " since (so it is when its company is deleted). Delay the call again."
)
_USER_GONE = (
    "This job is not executed: the user that it was delayed by does not exist any more."
)
_USER_ARCHIVED = (
    "This job is not executed: the user that it was delayed by (id %s) is archived."
    " Restore the user and requeue the job, or delay the call as somebody else."
)


def admit(env, warrant) -> None:
    """Refuse a job that the enqueuing code did not write, or whose user is gone.

    :param warrant: ``sealed``, ``user_id`` and ``user_active`` of its row
    :raises JobRefused: saying why
    """
    if warrant.user_id is None or warrant.user_active is None:
        raise JobRefused(_USER_GONE)
    if not warrant.sealed:
        raise JobRefused(_UNSEALED)
    if not warrant.user_active and not _is_always_archived(env, warrant.user_id):
        raise JobRefused(_USER_ARCHIVED % warrant.user_id)


def _is_always_archived(env, user_id: int) -> bool:
    """The system itself and visitors of a website are users whom Odoo archives."""
    # Whoever asks: the question is what kind of user it is.
    user = env["res.users"].sudo().browse(user_id)
    return user_id == SUPERUSER_ID or user._is_public()
