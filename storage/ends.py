# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The channels of the jobs that have ended: from one name to the next in the index,
never job by job."""

from __future__ import annotations

_CHANNELS = """
    (SELECT channel FROM queue_job WHERE state = '{state}' ORDER BY channel LIMIT 1)
     UNION ALL
    SELECT (SELECT channel FROM queue_job
             WHERE state = '{state}' AND channel > {state}.channel
             ORDER BY channel LIMIT 1)
      FROM {state} WHERE {state}.channel IS NOT NULL
"""
#: how a query begins that looks at the channels of ``done`` and of ``cancelled`` jobs
WITH_CHANNELS = f"""
WITH RECURSIVE done AS ({_CHANNELS.format(state="done")}),
cancelled AS ({_CHANNELS.format(state="cancelled")}),
"""
