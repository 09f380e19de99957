# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Proofs: only the right one passes, whatever a request brings."""

import unittest

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.queue_job.core.proof import sign, verify

PROPERTY = settings(deadline=None, database=None)
UUID = "5d4d9e3c-0b5a-4d58-a6a0-7a3b4b5d1c11"
RIGHT = ("secret", "db", UUID, 3)

texts = st.text(min_size=1, max_size=20)
uuids = st.from_regex(r"[0-9A-Za-z-]{1,64}", fullmatch=True)
claims = st.tuples(texts, texts, uuids, st.integers(0, 2**63 - 1))
anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary()
    | st.text(st.characters())
    | st.lists(st.integers(), max_size=2)
)


class TestProof(unittest.TestCase):
    def test_a_proof_keeps_its_value_from_release_to_release(self):
        # Two nodes may run different versions while one is being upgraded.
        self.assertEqual(
            sign(*RIGHT),
            "b7a9a2eeb66c7351c68d24776dca862470949d3b23150bff8d4f6066ce22c43c",
        )

    def test_the_right_proof_passes(self):
        self.assertIs(verify(*RIGHT, sign(*RIGHT)), True)

    def test_names_of_any_length_and_signs_that_databases_have_are_signed(self):
        for database in ("d" * 255, "daten-bank", "\udcfc"):
            with self.subTest(database=database):
                claim = ("secret", database, UUID, 3)
                self.assertIs(verify(*claim, sign(*claim)), True)

    def test_what_is_refused_is_named(self):
        with self.assertRaisesRegex(ValueError, "^A proof needs a secret that"):
            sign("", "db", UUID, 3)
        with self.assertRaisesRegex(
            ValueError, "job 'x y', attempt 3: a database name"
        ):
            sign("secret", "db", "x y", 3)

    def test_a_proof_of_anything_else_is_refused(self):
        for other in (
            ("Secret", "db", UUID, 3),
            ("secret", "db2", UUID, 3),
            ("secret", "db", UUID.upper(), 3),
            ("secret", "db", UUID[:-1], 3),
            ("secret", "db", UUID, 4),
        ):
            with self.subTest(other=other):
                self.assertIs(verify(*RIGHT, sign(*other)), False)

    def test_what_cannot_be_a_proof_is_refused(self):
        right = sign(*RIGHT)
        for proof in (
            None,
            b"",
            "",
            right.encode(),
            right[:-1],
            right + "0",
            right + "\n",
            right.upper(),
            " " + right,
            "é" * 64,
            "٣" * 64,
            0,
        ):
            with self.subTest(proof=proof):
                self.assertIs(verify(*RIGHT, proof), False)

    def test_what_cannot_be_a_job_is_refused_and_never_signed(self):
        for claim in (
            ("secret", "", UUID, 3),
            ("secret", None, UUID, 3),
            ("secret", "d" * 256, UUID, 3),
            ("secret", "db", "", 3),
            ("secret", "db", UUID + "\n", 3),
            ("secret", "db", "a" * 65, 3),
            ("secret", "db", "a b", 3),
            ("secret", "db", None, 3),
            ("secret", "db", UUID, -1),
            ("secret", "db", UUID, True),
            ("secret", "db", UUID, "3"),
            ("secret", "db", UUID, 2**63),
        ):
            with self.subTest(claim=claim):
                with self.assertRaises(ValueError):
                    sign(*claim)
                self.assertIs(verify(*claim, "0" * 64), False)

    def test_without_a_secret_nothing_passes(self):
        with self.assertRaises(ValueError):
            sign("", "db", UUID, 3)
        self.assertIs(verify("", "db", UUID, 3, "0" * 64), False)

    @PROPERTY
    @given(claims, claims)
    def test_a_proof_is_good_for_its_own_claim_only(self, one, other):
        self.assertIs(verify(*one, sign(*one)), True)
        self.assertIs(verify(*one, sign(*other)), one == other)

    @PROPERTY
    @given(st.text(min_size=2, max_size=8), st.integers(1, 7))
    def test_moving_text_between_secret_and_database_gives_another_proof(
        self, text, cut
    ):
        cut = min(cut, len(text) - 1)
        one = sign("k" + text[:cut], text[cut:], "u", 1)
        self.assertNotEqual(one, sign("k", text, "u", 1))

    @PROPERTY
    @given(anything, anything, anything, anything)
    def test_verifying_never_raises(self, database, uuid, attempt, proof):
        self.assertIs(verify("secret", database, uuid, attempt, proof), False)
