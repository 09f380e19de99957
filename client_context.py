# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which keys of a context a client has sent.

What a client sends as context comes to code like what code says itself. Some keys are
for code alone: whoever asks for such a key asks here whether the request under way
brought it, in any of the ways that Odoo takes contexts from requests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from odoo import http
from odoo.service.model import call_kw

#: dictionaries in each other; nobody's context is that deep
_DEEPEST = 20


def sent(key: str) -> bool:
    """Does a context that the client of the request under way has sent hold ``key``?

    Outside of requests (jobs, scheduled actions, the shell) nobody has sent anything.
    """
    return any(_has(context, key) for context in _sent_contexts())


def _sent_contexts() -> Iterator[Any]:
    yield from _of_calls()
    if http.request:
        yield from _contexts(getattr(http.request, "params", None))


def _of_calls() -> Iterator[Any]:
    """The contexts of the remote calls under way.

    For XML-RPC and its like, Odoo puts the request away while it calls. What it has
    called is on the stack, with the very context that the client has sent.
    """
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code is call_kw.__code__:
            yield frame.f_locals.get("context")
        frame = frame.f_back


def _contexts(content: Any, depth: int = 0) -> Iterator[Any]:
    """All that stands under a name ``context``."""
    if depth > _DEEPEST:
        return
    if isinstance(content, dict):
        for name, value in content.items():
            if name == "context":
                yield value
            yield from _contexts(value, depth + 1)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _contexts(value, depth + 1)


def _has(context: Any, key: str) -> bool:
    if isinstance(context, str):
        # JSON, as the parameter of a page; letters may be written as escapes
        try:
            context = json.loads(context)
        except ValueError:
            return key in context
    return isinstance(context, dict) and key in context
