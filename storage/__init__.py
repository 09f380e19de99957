# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""All SQL on the tables of the job queue: one function per verb, cursor first.

Each room holds the statements of one moment in a job's life; none of them commits.
"""

from . import (
    asker,
    backlog,
    bulk,
    channel,
    configured,
    discretion,
    ends,
    execution,
    figures,
    graph,
    home,
    ids,
    insertion,
    last_resort,
    listing,
    live,
    locks,
    moment,
    neighbours,
    performance,
    picture,
    prepared,
    presence,
    progress,
    recovery,
    repair,
    retention,
    rollup,
    schedule,
    schema,
    sealing,
    transition,
    tries,
    untold,
)
