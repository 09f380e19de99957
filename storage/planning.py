# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Plans that do not depend on what the planner believes of a table that changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# An index that holds the very rows is read alone, never the table: whatever the
# planner believes about a table that changes all the time.
_PLANS = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL jit = off;
"""
_USUAL_PLANS = """
SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT;
SET LOCAL jit TO DEFAULT;
"""


@contextmanager
def by_index(cr) -> Iterator[None]:
    """Have the statements of the block read indexes alone.

    Transaction: the current one; the session's own settings hold again afterwards.
    """
    cr.execute(_PLANS)
    yield
    cr.execute(_USUAL_PLANS)
