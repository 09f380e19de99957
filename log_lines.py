# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The lines of our log: texts of others cannot forge one.

Every logger of the add-on comes from :func:`get_logger`. What is put into a line is
made plain on the way (``core/plain.py``): no line ends, no escape sequences; and a
traceback stands indented below its line.
"""

from __future__ import annotations

import logging
from typing import Any

from .core import plain


class Block(str):
    """A text of several lines, to stand below the line that it is put into."""


def get_logger(name: str) -> logging.Logger:
    """The logger of a module; it makes plain what it is given."""
    logger = logging.getLogger(name)
    if _plain not in logger.filters:
        logger.addFilter(_plain)
    return logger


def _plain(record: logging.LogRecord) -> bool:
    args = record.args
    if isinstance(args, dict):
        record.args = {key: _part(value) for key, value in args.items()}
    elif args:
        record.args = tuple(_part(value) for value in args)
    if not record.args:
        record.msg, record.args = _part(record.msg), ()
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is not None:
        # The formatter takes what is there already.
        record.exc_text = plain.block(plain.traceback_of(error).rstrip("\n"))
    return True


def _part(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return plain.block(value) if type(value) is Block else plain.one_line(value)
