# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which keys of a context a client has sent.

What a client sends as context comes to code like what code says itself. Some keys are
for code alone: whoever asks for such a key asks here whether the request under way
brought it, in any of the ways that Odoo takes contexts from requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xmlrpc.client import loads

from odoo import http

#: dictionaries in each other; nobody's context is that deep
_DEEPEST = 20


def sent(key: str) -> bool:
    """Does a context that the client of the request under way has sent hold ``key``?

    Outside of requests (jobs, scheduled actions, the shell) nobody has sent anything.
    """
    request = http.request
    if not request:
        return False
    return any(_has(context, key) for context in _contexts(_content(request)))


def _content(request) -> Any:
    content = getattr(request, "params", None) or {}
    body = request.httprequest
    if "xml" in (body.mimetype or "") or body.path.startswith("/xmlrpc"):
        # XML-RPC has its own way; the body was read, and is kept
        try:
            return [dict(content), loads(body.get_data(), use_builtin_types=True)[0]]
        except Exception:  # what cannot be read was not understood by Odoo either
            return content
    return content


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
