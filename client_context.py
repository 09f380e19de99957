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
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from odoo import http
from odoo.service.model import call_kw

#: dictionaries in each other; nobody's context is that deep
_DEEPEST = 20


def sent(key: str) -> bool:
    """Does a context that the client of the request under way has sent hold ``key``?

    Outside of requests (jobs, scheduled actions, the shell) nobody has sent anything.
    """
    return any(_has(context, key) for context in _sent_contexts())


def sent_values(key: str) -> list[Any]:
    """What contexts that the client of the request under way has sent hold there."""
    contexts = map(_read, _sent_contexts())
    return [each[key] for each in contexts if isinstance(each, dict) and key in each]


def requester(env) -> Any:
    """The user of the request under way, whoever code acts as; else that of ``env``.

    Code may act as somebody else: what the client chooses is still chosen by him.
    """
    uid = next((call["model"].env.uid for call in _calls() if "model" in call), None)
    if uid is None and http.request and http.request.env:
        uid = http.request.env.uid
    return env["res.users"].browse(uid) if uid else env.user


def _sent_contexts() -> Iterator[Any]:
    yield from (call.get("context") for call in _calls())
    if http.request:
        yield from _contexts(getattr(http.request, "params", None))


def _calls() -> Iterator[dict[str, Any]]:
    """The variables of the remote calls under way.

    For XML-RPC and its like, Odoo puts the request away while it calls. What it has
    called is on the stack, with the very context that the client has sent.
    """
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code is call_kw.__code__:
            yield frame.f_locals
        frame = frame.f_back


def _contexts(content: Any, every: bool = False, depth: int = 0) -> Iterator[Any]:
    """All that stands under a name ``context``, and all that a text may hold as one.

    :param every: each dictionary, whatever it stands under
    """
    if depth > _DEEPEST:
        return
    if isinstance(content, str):
        # Pages take JSON, or the address of another page, as one parameter of theirs;
        # what in there becomes a context, each of them calls as it likes.
        content, every = _parsed(content), True
    if isinstance(content, dict):
        if every:
            yield content
        for name, value in content.items():
            if name == "context":
                yield value
            yield from _contexts(value, every, depth + 1)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _contexts(value, every, depth + 1)


def _parsed(text: str) -> Any:
    """What a text holds that is JSON or an address; None: nothing."""
    try:
        if text[:1] in ("{", "["):
            return json.loads(text)
        return dict(parse_qsl(urlsplit(text).query)) if "?" in text else None
    except (ValueError, RecursionError):
        return None


def _read(context: Any) -> Any:
    """A context; its text as it is, where that cannot be read."""
    if isinstance(context, str):
        # JSON, as the parameter of a page; letters may be written as escapes
        with suppress(ValueError, RecursionError):
            return json.loads(context)
    return context


def _has(context: Any, key: str) -> bool:
    context = _read(context)
    return isinstance(context, dict | str) and key in context
