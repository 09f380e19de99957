# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Errors of PostgreSQL that do not repeat what jobs are called with.

PostgreSQL tells the row that it refuses, and Odoo logs the statement that failed: both
would show what is hidden everywhere else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

#: a statement that carries calls of jobs
_CARRIES_CALLS = re.compile(
    rb"^\s*(WITH|INSERT|UPDATE)\b.*\bqueue_job\b.*\bkwargs\b", re.S
)
_NOT_SHOWN = "(a statement on queue_job, whose values are not shown)"


@contextmanager
def discreet() -> Iterator[None]:
    """Have an error say what is wrong, without the row that it is about."""
    try:
        yield
    except psycopg2.Error as error:
        error.args = (primary(error),)
        raise


def primary(error: psycopg2.Error) -> str:
    """The first line of what PostgreSQL says, without details and context."""
    return error.diag.message_primary or type(error).__name__


class _Discretion(logging.Filter):
    """Takes the values out of the log line about a statement that failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args
        if isinstance(args, tuple) and len(args) == 2:
            query, error = args
            if isinstance(query, bytes) and _CARRIES_CALLS.search(query):
                reason = type(error).__name__
                if isinstance(error, psycopg2.Error):
                    reason = primary(error)
                record.args = (_NOT_SHOWN, reason)
        return True


def install() -> None:
    """Have the log of failed statements be discreet about jobs."""
    logger = logging.getLogger("odoo.sql_db")
    if not any(isinstance(each, _Discretion) for each in logger.filters):
        logger.addFilter(_Discretion())


install()
