# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The keys of the proofs: does a runner of this very database ask?

Whoever reaches the server may send any number of requests with any name of a database.
So they cost next to nothing: a key is read once and kept, and read again only for a
proof that does not fit it, once in a while; what is no name of a database is known
from a list that is as rarely made; no connection stays behind a proof that is refused.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import psycopg2

from .. import storage
from ..core import proof as proofs
from ..jobrunner import config as runner_config
from ..jobrunner.connection import list_names
from ..log_lines import get_logger
from . import connections

_logger = get_logger(__name__)

#: seconds between two looks at the same thing for proofs that do not fit
LOOK_AGAIN = 1.0


class Keys:
    """What a process knows of the databases' secrets.

    :param names: the databases there are
    :param read: the secret of one; with whether it is worth to stay connected
    """

    def __init__(
        self,
        names: Callable[[], Iterable[str]],
        read: Callable[[str, Callable[[str], bool]], str],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._list, self._read, self._clock = names, read, clock
        self._keys: dict[str, str] = {}
        self._names: set[str] = set()
        self._list_at = float("-inf")
        self._lock = threading.Lock()
        # Only of databases that there are, so there are no more of these either.
        self._locks: dict[str, threading.Lock] = {}
        self._read_at: dict[str, float] = {}

    def prove(self, database: str, uuid: str, attempt: int, proof: str) -> bool:
        """Whether the proof is the one for this attempt at this database's job.

        :raises psycopg2.Error: the database gives no connection now
        """

        def fits(key: str) -> bool:
            return proofs.verify(key, database, uuid, attempt, proof)

        if fits(self._keys.get(database, "")):
            return True
        lock = self._lock_of(database) if proofs.is_proof(proof) else None
        if lock is None:
            return False
        # Who comes while the key is being read waits for it: it may be the right one.
        with lock:
            if fits(self._keys.get(database, "")):
                return True
            now = self._clock()
            if now < self._read_at.get(database, float("-inf")):
                return False
            self._read_at[database] = now + LOOK_AGAIN
            return fits(self._look(database, fits))

    def _look(self, database: str, fits: Callable[[str], bool]) -> str:
        try:
            key = self._read(database, fits)
        except psycopg2.ProgrammingError as error:
            # It is none of Odoo's.
            _logger.debug("No key of database %s: %s", database, error)
            self._forget(database)
            return ""
        except psycopg2.Error:
            # It has gone, or gives no connection now: the next look at the list tells.
            self._forget(database)
            raise
        self._keys[database] = key
        return key

    def _forget(self, database: str) -> None:
        with self._lock:
            self._names.discard(database)
            self._keys.pop(database, None)

    def _lock_of(self, database: str) -> threading.Lock | None:
        """For one look at a time; None: there is no such database."""
        with self._lock:
            now = self._clock()
            if database not in self._names and now >= self._list_at:
                self._list_at = now + LOOK_AGAIN
                try:
                    self._names = set(self._list())
                except psycopg2.Error as error:
                    _logger.info("The databases cannot be listed: %s", error)
            if database not in self._names:
                return None
            return self._locks.setdefault(database, threading.Lock())


def _read(database: str, fits: Callable[[str], bool]) -> str:
    cr = connections.take(database)
    try:
        key = storage.execution.secret(cr)
    except psycopg2.Error:
        cr.close()
        raise
    if fits(key):
        connections.give_back(cr)
    else:
        cr.close()
    return key


known = Keys(lambda: list_names(runner_config.get()), _read)


def prove(database: str, uuid: str, attempt: int, proof: str) -> bool:
    """Whether the proof is that of a runner of the database, for this attempt."""
    return known.prove(database, uuid, attempt, proof)
