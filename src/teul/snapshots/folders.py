"""What overlay and native share: layers and active snapshots as folders with rows. Must not merge them.

On disk, below `<root>`: `<id>/fs` (a layer's folder, or an active snapshot's own), `<id>/recipe` and `<id>/aside`
(unpacked layers: what `teul.layers.replay` needs). Ids are short, so that many layers fit one mount.

1. Nothing half-made is visible: the folder is filled and flushed first, its row comes second. A folder without a row
   is garbage, unless it is locked: its maker holds a lock on it until the row is there. The kernel lets go of that
   lock when the maker dies.
2. Between making a folder and locking it, the sweeper must not see it: both happen under the shared lock `<root>/lock`,
   which the sweeper takes exclusively.
3. A connection to the database belongs to one thread; other threads (parallel unpacking) get one of their own here.
"""

from __future__ import annotations

import os
from _thread import _local, get_ident

from teul.errors import AlreadyExists, DigestMismatch, SnapshotNotFound, TeulError, text
from teul.host.fs import FolderLock, crash_point
from teul.oci.digest import Digest, chain_id
from teul.snapshots.protocol import Finding, LayerInfo
from teul.state import snapshots as rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from teul.layers import Source
    from teul.state.db import Database
    from teul.state.snapshots import SnapshotRow

ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
ID_LENGTH = 6


class FolderSnapshotter:
    """What overlay and native have in common: rows, folders, unpacking, exact tars."""

    kind = ""
    device_marks = True

    def __init__(self, root: str, db: Database) -> None:
        self.root = root
        self._db = db
        self._owner = get_ident()
        self._local = _local()

    # Looking

    def resolve(self, diff_ids: Sequence[Digest]) -> tuple[str, ...]:
        """The layer names, bottom first, of a stack.

        Raises:
            SnapshotNotFound: the first layer that is not here (its diff id).
        """
        pairs = []
        chain = ""
        for diff_id in diff_ids:
            chain = chain_id((Digest(chain), diff_id)) if chain else diff_id
            pairs.append((f"{diff_id}@{chain}", str(diff_id)))
        return tuple(rows.resolve(self.db, pairs))

    def has(self, diff_ids: Sequence[Digest]) -> bool:
        """Whether all layers of the stack are here."""
        try:
            self.resolve(diff_ids)
        except SnapshotNotFound:
            return False
        return True

    def layer(self, name: str) -> LayerInfo:
        """Raises: SnapshotNotFound."""
        return self._info(rows.get(self.db, name, "committed"))

    def layers(self) -> Iterator[LayerInfo]:
        for row in rows.listed(self.db, "committed"):
            yield self._info(row)

    def keys(self) -> Iterator[str]:
        """Active snapshots."""
        for row in rows.listed(self.db, "active"):
            yield row.name

    def parents(self, key: str) -> tuple[str, ...]:
        """The layers that an active snapshot stands on, bottom first. Raises: SnapshotNotFound."""
        return rows.get(self.db, key, "active").parents

    def usage_bytes(self, key: str) -> int:
        """Bytes written to an active snapshot (blocks on the disk)."""
        from teul.host.fs import disk_bytes

        return disk_bytes(self.fs(rows.get(self.db, key, "active").folder))

    def disk_bytes(self, name: str) -> int:
        """Bytes that a layer or a snapshot takes on the disk, its recipe included."""
        from teul.host.fs import disk_bytes

        return disk_bytes(f"{self.root}/{rows.get(self.db, name).folder}")

    # Layers

    def unpack(self, stream: Source, diff_id: Digest, below: Sequence[str] | None) -> str:
        """Extract one uncompressed layer tar and commit it; see the protocol.

        Raises:
            DigestMismatch, MalformedLayer, UnsafePath: nothing is left behind.
            SnapshotNotFound: a layer of *below* is not here.
        """
        from teul.host.fs import sync_filesystem
        from teul.layers import RecipeWriter, apply
        from teul.layers.lower import is_opaque

        chain = chain_id([*(Digest(name.partition("@")[0]) for name in below), diff_id]) if below is not None else ""
        lower = [self.fs(folder) for folder in rows.folders(self.db, below)] if below is not None else None
        place, lock = self.new_folder()
        with lock:
            try:
                folder = f"{self.root}/{place}"
                os.mkdir(f"{folder}/fs", 0o755)
                os.mkdir(f"{folder}/aside", 0o700)
                crash_point("unpack-begun")
                recipe = RecipeWriter(f"{folder}/recipe")
                try:
                    applied = apply(
                        stream,
                        f"{folder}/fs",
                        lower=lower,
                        recipe=recipe,
                        aside=f"{folder}/aside",
                        device_marks=self.device_marks,
                    )
                    if applied.diff_id != diff_id:
                        raise DigestMismatch(diff_id, applied.diff_id, what="layer")
                    crash_point("unpack-applied")
                    recipe.finish()
                finally:
                    recipe.abandon()
                if not os.listdir(f"{folder}/aside"):
                    os.rmdir(f"{folder}/aside")
                data: dict[str, object] = {"tar": "recipe", "tar_size_bytes": applied.tar_size_bytes}
                if applied.whiteouts:
                    data["whiteouts"] = applied.whiteouts
                if is_opaque(os.fsencode(f"{folder}/fs")):
                    data["hides_all"] = True
                sync_filesystem(folder)
                crash_point("unpack-flushed")
                name = str(diff_id) if applied.stands_alone else f"{diff_id}@{chain}"
                try:
                    rows.add(
                        self.db,
                        name=name,
                        kind="committed",
                        folder=place,
                        size_bytes=applied.size_bytes,
                        inodes=applied.inodes,
                        data=data,
                    )
                except AlreadyExists:
                    self.touch(name)
                    self.throw_away(place)
            except BaseException:
                self.throw_away(place)
                raise
        crash_point("unpack-committed")
        return name

    def fits(self, name: str, below: Sequence[str]) -> bool:
        """Whether every whiteout of layer *name* hides something in the layers *below*; see the protocol."""
        from teul.layers.lower import Lower, whiteouts

        row = rows.get(self.db, name, "committed")
        if not row.data.get("whiteouts"):
            return True
        lower = Lower([self.fs(folder) for folder in rows.folders(self.db, below)])
        return all(lower.find(path) is not None for path in whiteouts(self.fs(row.folder)))

    def tar(self, name: str, write: Callable[[bytes], object] | None = None) -> None:
        """Stream the layer's exact tar into *write*, verified against its diff id (without *write*: only verified).

        Raises:
            DigestMismatch, MalformedLayer: the folder was tampered with; some of it was written already.
        """
        from teul.layers import pack, replay

        row = rows.get(self.db, name, "committed")
        expected = Digest(name.partition("@")[0])
        if row.data.get("tar") == "recipe":
            folder = f"{self.root}/{row.folder}"
            actual = replay(f"{folder}/recipe", f"{folder}/fs", f"{folder}/aside", write)
        else:
            actual = pack(self.fs(row.folder), write).diff_id
        if actual != expected:
            raise DigestMismatch(expected, actual, what="layer")

    def remove(self, name: str) -> None:
        """Remove an active snapshot, or a layer that no active snapshot stands on; idempotent.

        Raises:
            SnapshotInUse: names who uses it.
        """
        row = rows.remove(self.db, name)
        if row is not None:
            crash_point("snapshot-row-removed")
            self.throw_away(row.folder)

    def forget(self, name: str) -> None:
        """As `remove`, but the folder is left to `sweep`: for callers within a transaction."""
        rows.remove(self.db, name)

    # Keeping house

    def touch(self, name: str) -> bool:
        """Say that a layer was wanted again just now (gc spares what is younger than a living lease); False when it
        is not here.
        """
        row = rows.find(self.db, name)
        if row is None or row.kind != "committed":
            return False
        os.utime(f"{self.root}/{row.folder}")
        return True

    def used_ns(self, name: str) -> int:
        """When a layer or snapshot was made or wanted again: its folder's ctime, nanoseconds since 1970; 0 without one."""
        row = rows.find(self.db, name)
        try:
            return 0 if row is None else os.stat(f"{self.root}/{row.folder}").st_ctime_ns
        except FileNotFoundError:
            return 0

    def sweep(self) -> int:
        """Remove folders that have no row and no living maker; returns the bytes freed."""
        from teul.host.fs import disk_bytes, remove_tree

        freed = 0
        for place in self._folders():
            if place.startswith(".") or rows_know(self.db, place):
                continue
            with self._lock(shared=False):
                lock = self._try_lock(place)
                if lock is None:
                    continue
                with lock:
                    # Its row may have come between our first look and the lock.
                    if not rows_know(self.db, place):
                        os.rename(f"{self.root}/{place}", f"{self.root}/.{place}")
        for place in self._folders():
            if place.startswith("."):
                freed += disk_bytes(f"{self.root}/{place}")
                remove_tree(f"{self.root}/{place}")
        return freed

    def check(self, *, is_deep: bool = False) -> Iterator[Finding]:
        """What is wrong: rows without a folder, parents without a row; with *is_deep*, layers whose tar is not exact."""
        for row in rows.listed(self.db):
            found = self._wrong_with(row, is_deep=is_deep)
            # Others go on working meanwhile: what is wrong with a row that has gone, or become another, is not.
            if found is not None and rows.find(self.db, row.name) == row:
                yield found

    def _wrong_with(self, row: SnapshotRow, *, is_deep: bool) -> Finding | None:
        from teul.errors import Corrupt

        if not os.path.isdir(self.fs(row.folder)):
            return Finding(
                "snapshot-folder-missing",
                row.name,
                text("snapshot `{name}`: folder `{path}` is missing", name=row.name, path=self.fs(row.folder)),
            )
        for parent in row.parents:
            if rows.find(self.db, parent) is None:
                return Finding(
                    "snapshot-parent-missing",
                    row.name,
                    text("snapshot `{name}`: its layer `{parent}` is missing", name=row.name, parent=parent),
                )
        recipe = f"{self.root}/{row.folder}/recipe"
        if row.kind == "committed" and row.data.get("tar") == "recipe" and not os.path.isfile(recipe):
            return Finding("recipe-missing", row.name, text("layer `{name}`: its recipe is missing", name=row.name))
        if is_deep and row.kind == "committed":
            try:
                self.tar(row.name)
            except (Corrupt, SnapshotNotFound, FileNotFoundError) as error:
                reason = error.message if isinstance(error, TeulError) else str(error)
                return Finding(
                    "layer-damaged", row.name, text("layer `{name}`: {reason}", name=row.name, reason=reason)
                )
        return None

    @property
    def db(self) -> Database:
        """The database, for the thread that asks."""
        if get_ident() == self._owner:
            return self._db
        mine: Database | None = getattr(self._local, "db", None)
        if mine is None:
            from teul.state.db import Database

            mine = self._local.db = Database.open(self._db.path)
        return mine

    def _info(self, row: SnapshotRow) -> LayerInfo:
        return LayerInfo(
            row.name,
            Digest(row.name.partition("@")[0]),
            self.fs(row.folder),
            row.size_bytes,
            row.inodes,
            int(row.data.get("tar_size_bytes", 0)),
            row.created_at,
        )

    def stack(self, parents: Sequence[str]) -> list[str]:
        """The folders of a stack, upper-most first. Overlay pays no heed to an opaque root, so the stack ends there.

        A layer that is in the stack twice (two steps that changed nothing, say) counts where it is upper-most: it says
        the same again, and overlay refuses a folder that is given twice.
        """
        lower: dict[str, None] = {}
        for folder, hides_all in reversed(rows.stack(self.db, parents)):
            lower.setdefault(self.fs(folder))
            if hides_all:
                break
        return list(lower)

    def fs(self, place: str) -> str:
        return f"{self.root}/{place}/fs"

    def new_folder(self) -> tuple[str, FolderLock]:
        """A new folder, locked."""
        while True:
            place = "".join(ID_LETTERS[byte & 31] for byte in os.urandom(ID_LENGTH))
            with self._lock(shared=True):
                try:
                    os.mkdir(f"{self.root}/{place}", 0o700)
                except FileExistsError:
                    continue
                lock = FolderLock.take(f"{self.root}/{place}")
                assert lock is not None
            crash_point("snapshot-folder")
            return place, lock

    def _lock(self, *, shared: bool) -> FolderLock:
        try:
            lock = FolderLock.take(f"{self.root}/lock", shared=shared, make=True)
        except FileNotFoundError:
            os.makedirs(f"{self.root}/empty", mode=0o755, exist_ok=True)
            lock = FolderLock.take(f"{self.root}/lock", shared=shared, make=True)
        assert lock is not None
        return lock

    def _try_lock(self, place: str) -> FolderLock | None:
        try:
            return FolderLock.take(f"{self.root}/{place}", wait=False)
        except FileNotFoundError:
            return None

    def _folders(self) -> list[str]:
        try:
            with os.scandir(self.root) as entries:
                return [
                    entry.name for entry in entries if entry.name != "empty" and entry.is_dir(follow_symlinks=False)
                ]
        except FileNotFoundError:
            return []

    def throw_away(self, place: str) -> None:
        """Remove a folder that has no row: out of sight first, so that a half-removed one is never taken for a whole."""
        from teul.host.fs import remove_tree

        try:
            os.rename(f"{self.root}/{place}", f"{self.root}/.{place}")
        except FileNotFoundError:
            return
        crash_point("snapshot-renamed")
        remove_tree(f"{self.root}/.{place}")


def rows_know(db: Database, place: str) -> bool:
    return rows.find_folder(db, place) is not None


def measure(folder: str) -> tuple[int, int]:
    """The sum of the files' sizes (bytes, each inode once), and the inodes below *folder*."""
    import stat

    size = inodes = 0
    seen: set[int] = set()
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                    inodes += 1
                    continue
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink > 1:
                    if status.st_ino in seen:
                        continue
                    seen.add(status.st_ino)
                inodes += 1
                if stat.S_ISREG(status.st_mode):
                    size += status.st_size
    return size, inodes
