# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
class BenchError(Exception):
    """A measurement could not be made."""


class BenchTimeout(BenchError):
    """Something did not happen in the time it was given."""
