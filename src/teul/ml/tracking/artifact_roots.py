"""What keeps the artifacts of a tracking store from the engine's gc: rows in the engine's database, and a file.

The engine is below `ml` and knows nothing of tracking databases. It keeps the blobs that `teul.state.artifacts` lists.
1. A digest is listed before its blob is looked up as present, in a lease while the upload that brings it has no name yet.
2. The list is compared with the tracking database inside a write transaction of the latter (`reconcile`), where nobody
   gives a name meanwhile: what a crash left listed goes, what is missing (a database that was restored) comes.
3. `<state folder>/tracking-stores/<id>` says that there is such a store. As long as the engine's database has no list for
   it (that database was lost, or the artifacts have just moved in), the engine's gc removes no blobs at all.
Whoever holds both write locks took the tracking database's first.
"""

from __future__ import annotations

import os
import threading
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
        self._unended: list[str] = []

    def close(self) -> None:
        with self._lock, self._reading:
            if self._unended:
                self._end_late(self._open())
            for database in (self._writer, self._reader):
                if database is not None:
                    database.close()
            self._writer = self._reader = None

    def add(self, digest: Digest) -> None:
        """List a digest; idempotent."""
        self._ensure()
        if not self._has(digest):
            with self._lock:
                rows.add(self._open(), self.store, digest)

    def hold(self, digest: Digest, held: ExitStack, given: Lease | None) -> Lease:
        """List a digest, and name it in a lease: *given*, or one that begins now and ends with `let_go`."""
        self._ensure()
        with self._lock, self._open() as database:
            self._end_late(database)
            made = given or held.enter_context(lease(database))
            made.add("blob", digest)
            rows.add(database, self.store, digest)
        return made

    def let_go(self, held: ExitStack, given: Lease) -> None:
        """End a lease. On a full disk that is done later; at the latest it ends with this process."""
        with self._lock:
            try:
                held.close()
            except (OSError, StoreLocked):
                self._unended.append(given.id)

    def reconcile(self) -> set[str]:
        """List exactly what the tracking database names; returns what was let go."""
        with self._transaction():
            wanted = self.named()
            crash_point("artifacts-compared")
            with self._lock:
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

    def _end_late(self, database: StateDatabase) -> None:
        waiting, self._unended = self._unended, []
        for lease_id in waiting:
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
