# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The proof that a request to run a job comes from a runner of this database.

A keyed digest over database, job and attempt.  Each attempt has its own, so a
proof that was seen once is worth nothing for the next attempt, another job or
another database.
"""

from __future__ import annotations

import hashlib
import hmac
import re

# Says what the digest is for: the same key signs nothing else with this label.
_LABEL = "queue_job/runjob/1"
_PROOF = re.compile(r"[0-9a-f]{64}")
_UUID = re.compile(r"[0-9A-Za-z-]{1,64}")


def sign(secret: str, database: str, uuid: str, attempt: int) -> str:
    """The proof for one attempt at one job, 64 hexadecimal digits.

    Raises ValueError when the secret is empty or the job cannot be one of ours.
    """
    if not secret:
        raise ValueError("A proof needs a secret that is not empty.")
    if not _is_job(database, uuid, attempt):
        raise ValueError(
            f"No proof for database {database!r}, job {uuid!r}, attempt {attempt!r}:"
            " a database name, a uuid (letters, digits, dashes) and a whole"
            " number from 0 are needed."
        )
    message = _encode(_LABEL, database, uuid, str(attempt))
    return hmac.new(_encode(secret), message, hashlib.sha256).hexdigest()


def verify(secret: str, database: str, uuid: str, attempt: int, proof: str) -> bool:
    """Whether `proof` is the one for this attempt, in constant time.

    Takes anything a request may bring, and never raises.
    """
    if not is_proof(proof):
        return False
    if not secret or not _is_job(database, uuid, attempt):
        return False
    return hmac.compare_digest(sign(secret, database, uuid, attempt), proof)


def is_proof(text: object) -> bool:
    """Whether it looks like a proof, of whatever."""
    return isinstance(text, str) and _PROOF.fullmatch(text) is not None


def _is_job(database: object, uuid: object, attempt: object) -> bool:
    return (
        isinstance(database, str)
        and 0 < len(database) <= 255
        and isinstance(uuid, str)
        and _UUID.fullmatch(uuid) is not None
        and isinstance(attempt, int)
        and not isinstance(attempt, bool)
        and 0 <= attempt < 2**63
    )


def _encode(*parts: str) -> bytes:
    """Length before text: no two lists of parts have the same encoding."""
    encoded = (part.encode("utf-8", "surrogatepass") for part in parts)
    return b"".join(b"%d:%s" % (len(part), part) for part in encoded)
