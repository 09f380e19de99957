# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Under which host a server answers for a database.

With ``%d`` or ``%h`` in ``dbfilter`` each database has a host of its own. The runner
asks its own server, whose address is the same for all: what the request names decides.
"""

from __future__ import annotations

import re

from odoo import http
from odoo.tools import config as odoo_config


def host_for(database: str, host: str) -> str | None:
    """The host to name in requests for the database; None: it is not served.

    :param host: where the requests go, the first choice
    """
    for candidate in (host, *_by_filter(database)):
        if http.db_filter([database], host=candidate):
            return candidate
    return None


def _by_filter(database: str) -> list[str]:
    """What ``%d`` or ``%h`` may stand for, so that the database passes the filter."""
    pattern = odoo_config["dbfilter"] or ""
    if "%d" not in pattern and "%h" not in pattern:
        return []
    pattern = pattern.replace("%h", "(?P<h>.+)", 1).replace("%h", "(?P=h)")
    pattern = pattern.replace("%d", "(?P<d>[^.]+)", 1).replace("%d", "(?P=d)")
    try:
        found = re.match(pattern, database)
    except re.error:
        return []
    hosts = found.groupdict().values() if found else ()
    return [host for host in hosts if host and re.fullmatch(r"[\w.-]+", host, re.A)]
