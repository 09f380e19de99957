# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The command ``dev/chaos``: the tests under chaos at full size, round by round.

The scenarios themselves are ``tests/acceptance/test_chaos_*.py``, whose short forms are
part of the suite.
"""
