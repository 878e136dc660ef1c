"""What keeps the artifacts of a tracking store from the engine's gc: rows in the engine's database, and a file.

The engine is below `ml` and knows nothing of tracking databases. It keeps the blobs that `teul.state.artifacts` lists.
1. A digest is listed before its blob is looked up as present, in a lease while the upload that brings it has no name yet.
   Uploads that come close together share one, so that each costs the disk one transaction here and not three; a lease
   ends `LINGER_S` after it began, or later with the last upload in it.
2. The list is compared with the tracking database inside a write transaction of the latter (`reconcile`), where nobody
   gives a name meanwhile: what a crash left listed goes, what is missing (a database that was restored) comes.
3. `<state folder>/tracking-stores/<id>` says that there is such a store. As long as the engine's database has no list for
   it (that database was lost, or the artifacts have just moved in), the engine's gc removes no blobs at all.
Whoever holds both write locks took the tracking database's first.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack

from teul.config import Settings
from teul.errors import StoreLocked
from teul.host.fs import crash_point, fsync_folder, remove_file, write_atomic
from teul.oci.digest import Digest
from teul.state import artifacts as rows
from teul.state.db import Database as StateDatabase
from teul.state.leases import Lease, lease, release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Set
    from contextlib import AbstractContextManager


LINGER_S = 10.0
_now = time.monotonic


class Hold:
    """A lease of the uploads that are in it."""

    __slots__ = ("began", "held", "lease", "users")

    def __init__(self, database: StateDatabase) -> None:
        self.held = ExitStack()
        self.lease: Lease = self.held.enter_context(lease(database))
        self.began = _now()
        self.users = 0

    @property
    def is_over(self) -> bool:
        return not self.users and _now() - self.began > LINGER_S


class ArtifactRoots:
    """The list of one tracking store; safe for threads. Nothing is opened before it is needed.

    Args:
        root: the state folder.
        store: the store's id, a file name; *location* says where it is, for people.
        transaction: a write transaction of the tracking database.
        named: all digests that the tracking database needs.
    """

    def __init__(
        self,
        root: str,
        store: str,
        location: str,
        transaction: Callable[[], AbstractContextManager[None]],
        named: Callable[[], Set[str]],
    ) -> None:
        self.store = store
        self._settings = Settings(root, "")
        self._location = location
        self._transaction = transaction
        self.named = named
        self._lock = threading.RLock()
        self._reading = threading.Lock()
        self._writer: StateDatabase | None = None
        self._reader: StateDatabase | None = None
        self._is_listed = False
        self._hold: Hold | None = None
        self._unended: list[str] = []
        self._gathering = threading.Lock()
        self._wanted: set[Digest] = set()
        """Digests that wait to be listed; under `_gathering`."""

    def close(self) -> None:
        with self._lock, self._reading:
            self._end_idle()
            for database in (self._writer, self._reader):
                if database is not None:
                    database.close()
            self._writer = self._reader = None

    def add(self, digest: Digest) -> None:
        """List a digest; idempotent."""
        self._ensure()
        if self._has(digest):
            return
        with self._gathering:
            self._wanted.add(digest)
        with self._lock:
            with self._gathering:
                # Whoever was here before has taken along all that waited, at the cost of one flush.
                if digest not in self._wanted:
                    return
                waiting, self._wanted = self._wanted, set()
            try:
                rows.add(self._open(), self.store, *sorted(waiting))
            except BaseException:
                with self._gathering:
                    self._wanted |= waiting
                raise

    def hold(self, digest: Digest, given: Hold | None) -> Hold:
        """List a digest for an upload that is in *given*, or enters a lease now; `let_go` when it has a name."""
        self._ensure()
        with self._lock:
            hold = given
            if hold is None:
                if self._hold is None or _now() - self._hold.began > LINGER_S:
                    self._hold = self._begin()
                hold = self._hold
                hold.users += 1
        try:
            self.add(digest)
        except BaseException:
            if given is None:
                self.let_go(hold)
            raise
        return hold

    def let_go(self, hold: Hold) -> None:
        """An upload leaves its lease. On a full disk that ends later; at the latest it ends with this process."""
        with self._lock:
            hold.users -= 1
            if not hold.users and hold is not self._hold:
                self._end(hold)
        self.tidy()

    def tidy(self) -> None:
        """End a lease that nobody is in any more, when it is old enough."""
        with self._lock:
            if self._hold is not None and self._hold.is_over:
                self._end_idle()

    def reconcile(self) -> set[str]:
        """List exactly what the tracking database names; returns what was let go."""
        with self._transaction():
            wanted = self.named()
            crash_point("artifacts-compared")
            with self._lock:
                self._end_idle()
                # The file first: a gc in between is told that there is a store whose list it does not have.
                _write_mark(self._settings, self.store, self._location)
                gone = rows.replace(self._open(), self.store, self._location, wanted)
        self._is_listed = True
        crash_point("artifacts-reconciled")
        return gone

    def unlisted(self, digests: Set[str]) -> set[str]:
        """Of *digests*, those that the next gc would not spare; none as long as there is no list at all."""
        with self._lock:
            database = self._open()
            return set(digests) - rows.listed(database, self.store) if self.store in rows.stores(database) else set()

    def listed(self) -> set[Digest]:
        """All that is listed."""
        with self._lock:
            return {Digest(digest) for digest in rows.listed(self._open(), self.store)}

    def _has(self, digest: Digest) -> bool:
        with self._reading:
            if self._reader is None:
                self._reader = StateDatabase.open(self._settings.database)
            return rows.has(self._reader, self.store, digest)

    def _ensure(self) -> None:
        """Once per process: that there is a list, and the file that speaks of it."""
        if self._is_listed:
            return
        with self._lock:
            is_there = self.store in rows.stores(self._open())
        if is_there and os.path.exists(f"{self._settings.tracking_stores}/{self.store}"):
            self._is_listed = True
            return
        # Not with our lock held: the tracking database's comes first.
        self.reconcile()

    def _open(self) -> StateDatabase:
        if self._writer is None:
            self._writer = StateDatabase.open(self._settings.database)
        return self._writer

    def _begin(self) -> Hold:
        previous, self._hold = self._hold, None
        if previous is not None and not previous.users:
            self._end(previous)
        database = self._open()
        waiting, self._unended = self._unended, []
        for lease_id in waiting:
            self._release(database, lease_id)
        with database:
            return Hold(database)

    def _end_idle(self) -> None:
        hold = self._hold
        if hold is not None and not hold.users:
            self._hold = None
            self._end(hold)

    def _end(self, hold: Hold) -> None:
        try:
            hold.held.close()
        except (OSError, StoreLocked):
            self._unended.append(hold.lease.id)

    def _release(self, database: StateDatabase, lease_id: str) -> None:
        try:
            release(database, lease_id)
        except (OSError, StoreLocked):
            self._unended.append(lease_id)


def _write_mark(settings: Settings, store: str, location: str) -> None:
    path = f"{settings.tracking_stores}/{store}"
    if not os.path.exists(path):
        os.makedirs(settings.tracking_stores, mode=0o700, exist_ok=True)
        fsync_folder(settings.root)
        write_atomic(path, location.encode())


def is_marked(root: str, store: str) -> bool:
    """Whether the artifacts of a store are said to lie in this state folder."""
    return bool(store) and os.path.exists(f"{Settings(root, '').tracking_stores}/{store}")


def announce(root: str, store: str, location: str) -> None:
    """Say that a store has artifacts here which are not listed yet, so that nothing is swept until they are."""
    _write_mark(Settings(root, ""), store, location)


def forget_vanished(settings: Settings) -> int:
    """Let go of what stores listed whose database was a file of this state folder and is no more; returns how much."""
    count = 0
    try:
        names = os.listdir(settings.tracking_stores)
    except FileNotFoundError:
        return 0
    for name in names:
        if name.endswith(".db") and not os.path.exists(f"{settings.root}/{name}"):
            database = StateDatabase.open(settings.database)
            try:
                count += rows.forget(database, name)
            finally:
                database.close()
            remove_file(f"{settings.tracking_stores}/{name}")
    return count
