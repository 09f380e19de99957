# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What can go wrong in a measurement."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement could not be made; ``partial`` has what was measured before."""

    partial: dict[str, float] = {}


class BenchTimeout(BenchError):
    """Something did not happen in the time it was given."""
