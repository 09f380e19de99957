# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The decisions of the job queue: pure functions and values, stdlib only."""
