"""Layers as folders, merged by copying: for hosts without overlayfs (a container on an overlay, an odd filesystem).

Slow and large, and right: every active snapshot is a whole copy. What was written to it is found by inode and ctime,
which no program can set back, against a list made at `prepare`. Marks (whiteouts, opaque folders) are `.wh.` files,
since such hosts cannot make overlay's. Must not be chosen where overlay works.

On disk, beside what `teul.snapshots.folders` says: `<id>/base` (active only: the list), `<id>/upper` (what `upper`
computed; files in it are links to those in `fs`).
"""

from __future__ import annotations

import hashlib
import os
import stat

from teul.errors import AlreadyExists
from teul.host.fs import crash_point, remove_tree, sync_filesystem
from teul.layers.lower import is_opaque
from teul.layers.pack import OPAQUE, WHITEOUT
from teul.oci.runtime import Mount
from teul.snapshots.folders import FolderSnapshotter, measure
from teul.state import snapshots as rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.oci.digest import Digest

    Base = dict[bytes, tuple[int, int, bool]]
    """Path → inode, ctime (ns), whether it is a folder."""


class NativeSnapshotter(FolderSnapshotter):
    """Layers merged by copying; an active snapshot is a whole tree."""

    kind = "native"
    device_marks = False

    def prepare(self, key: str, parents: Sequence[str]) -> None:
        """Make an active snapshot. Raises: AlreadyExists, SnapshotNotFound."""
        lower = self.stack(parents)
        place, lock = self.new_folder()
        with lock:
            try:
                folder = f"{self.root}/{place}"
                os.mkdir(f"{folder}/fs", 0o755)
                for layer in reversed(lower):
                    lay(layer, f"{folder}/fs")
                write_base(f"{folder}/base", read_tree(f"{folder}/fs"))
                crash_point("snapshot-copied")
                data = {"base_bytes": measure(f"{folder}/fs")[0]}
                rows.add(self.db, name=key, kind="active", folder=place, parents=parents, data=data)
            except BaseException:
                self.throw_away(place)
                raise
        crash_point("snapshot-prepared")

    def mounts(self, key: str) -> tuple[Mount, ...]:
        """How to mount an active snapshot read-write (targets are "")."""
        row = rows.get(self.db, key, "active")
        return (Mount("bind", self.fs(row.folder), "", ("rbind", "rw")),)

    def view(self, parents: Sequence[str]) -> tuple[Mount, ...]:
        """How to mount a stack of layers read-only. Makes a merged copy, which gc removes when nobody asked for it for
        a while.
        """
        key = "view-" + hashlib.sha256("\n".join(parents).encode()).hexdigest()[:32]
        row = rows.find(self.db, key)
        if row is None:
            try:
                self.prepare(key, parents)
            except AlreadyExists:
                pass
            row = rows.get(self.db, key, "active")
        os.utime(f"{self.root}/{row.folder}")
        return (Mount("bind", self.fs(row.folder), "", ("rbind", "ro")),)

    def upper(self, key: str) -> str:
        """The folder that holds only what was written to the active snapshot *key*; computed at the call."""
        row = rows.get(self.db, key, "active")
        folder = f"{self.root}/{row.folder}"
        remove_tree(f"{folder}/upper")
        os.mkdir(f"{folder}/upper", 0o755)
        Changes(f"{folder}/fs", f"{folder}/upper", read_base(f"{folder}/base")).write()
        return f"{folder}/upper"

    def usage_bytes(self, key: str) -> int:
        """Bytes written to an active snapshot."""
        row = rows.get(self.db, key, "active")
        return max(0, measure(self.fs(row.folder))[0] - int(row.data.get("base_bytes", 0)))

    def commit(self, key: str, diff_id: Digest, *, tar_size_bytes: int) -> str:
        """Make what `upper` gave the layer *diff_id* and end *key*; see the protocol."""
        row = rows.get(self.db, key, "active")
        name = str(diff_id)
        if self.touch(name):
            self.remove(key)
            return name
        folder = f"{self.root}/{row.folder}"
        if not os.path.isdir(f"{folder}/upper"):
            self.upper(key)
        remove_tree(f"{folder}/fs")
        os.rename(f"{folder}/upper", f"{folder}/fs")
        os.unlink(f"{folder}/base")
        size_bytes, inodes = measure(f"{folder}/fs")
        sync_filesystem(folder)
        crash_point("snapshot-flushed")
        data = {"tar": "canonical", "tar_size_bytes": tar_size_bytes}
        if not rows.commit(self.db, key, name=name, size_bytes=size_bytes, inodes=inodes, data=data):
            self.touch(name)
            self.remove(key)
        crash_point("snapshot-committed")
        return name


def lay(layer: str, target: str) -> None:
    """Copy the folder of one layer onto *target*: its marks first, then what it has. Hard links within it are kept."""
    links: dict[int, bytes] = {}
    pending = [(os.fsencode(layer), os.fsencode(target))]
    folders = []
    while pending:
        source, place = pending.pop()
        folders.append((source, place))
        names = sorted(os.listdir(source))
        if is_opaque(source):
            for name in os.listdir(place):
                remove_tree(os.fsdecode(place + b"/" + name))
        for name in names:
            if name.startswith(WHITEOUT) and name != OPAQUE:
                remove_tree(os.fsdecode(place + b"/" + name[len(WHITEOUT) :]))
        for name in names:
            if name.startswith(WHITEOUT):
                continue
            full, new = source + b"/" + name, place + b"/" + name
            status = os.lstat(full)
            if stat.S_ISDIR(status.st_mode):
                try:
                    if not stat.S_ISDIR(os.lstat(new).st_mode):
                        os.unlink(new)
                        os.mkdir(new, 0o700)
                except FileNotFoundError:
                    os.mkdir(new, 0o700)
                pending.append((full, new))
                continue
            remove_tree(os.fsdecode(new))
            first = links.setdefault(status.st_ino, new) if status.st_nlink > 1 else new
            if first is not new:
                os.link(first, new, follow_symlinks=False)
            else:
                copy_member(full, new, status)
    for source, place in reversed(folders):
        copy_facts(source, place, os.lstat(source))


def copy_member(source: bytes, target: bytes, status: os.stat_result) -> None:
    """Copy one thing that is not a folder, with all that is known of it; *target* does not exist."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                while os.copy_file_range(reader, writer, 1 << 30):
                    pass
            finally:
                os.close(writer)
        finally:
            os.close(reader)
    elif stat.S_ISLNK(mode):
        os.symlink(os.readlink(source), target)
    else:
        os.mknod(target, mode, status.st_rdev)
    copy_facts(source, target, status)


def copy_facts(source: bytes, target: bytes, status: os.stat_result) -> None:
    """Owner, mode, extended attributes and time."""
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source, follow_symlinks=False):
        if not name.startswith(("trusted.overlay.", "user.overlay.")):
            os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)


def read_tree(folder: str) -> Base:
    """What is below *folder*, as it can be told from what it is later."""
    top = os.fsencode(folder)
    found: Base = {}
    pending = [b""]
    while pending:
        inside = pending.pop()
        with os.scandir(top + b"/" + inside) as entries:
            for entry in entries:
                path = inside + b"/" + entry.name if inside else entry.name
                status = entry.stat(follow_symlinks=False)
                is_folder = stat.S_ISDIR(status.st_mode)
                found[path] = (status.st_ino, status.st_ctime_ns, is_folder)
                if is_folder:
                    pending.append(path)
    return found


def write_base(path: str, base: Base) -> None:
    """One record for each path: its length, its bytes, inode, ctime, kind."""
    import struct

    with open(path, "wb") as file:
        for name, (inode, changed_ns, is_folder) in base.items():
            file.write(struct.pack(">HQqB", len(name), inode, changed_ns, is_folder) + name)


def read_base(path: str) -> Base:
    import struct

    record = struct.Struct(">HQqB")
    with open(path, "rb") as file:
        data = file.read()
    found: Base = {}
    position = 0
    while position < len(data):
        length, inode, changed_ns, is_folder = record.unpack_from(data, position)
        position += record.size
        found[data[position : position + length]] = (inode, changed_ns, bool(is_folder))
        position += length
    return found


class Changes:
    """The difference between a tree and the list of what it was, written as a layer's folder.

    A folder of another inode is a new one: it is opaque and everything in it is written. Otherwise a folder is there
    when it changed or holds something that did, as an overlay's upper folder has it.
    """

    def __init__(self, tree: str, target: str, base: Base) -> None:
        self._tree = os.fsencode(tree)
        self._target = os.fsencode(target)
        self._base = base
        self._children: dict[bytes, set[bytes]] = {}
        for path in base:
            parent, _, name = path.rpartition(b"/")
            self._children.setdefault(parent, set()).add(name)
        self._made: set[bytes] = {b""}
        self._folders: list[bytes] = [b""]

    def write(self) -> None:
        pending = [(b"", False)]
        while pending:
            inside, is_new = pending.pop()
            names = sorted(os.listdir(self._tree + b"/" + inside))
            for name in names:
                path = inside + b"/" + name if inside else name
                status = os.lstat(self._tree + b"/" + path)
                was = None if is_new else self._base.get(path)
                is_same = was is not None and was[:2] == (status.st_ino, status.st_ctime_ns)
                if not stat.S_ISDIR(status.st_mode):
                    if not is_same:
                        self._parents(inside)
                        os.link(self._tree + b"/" + path, self._target + b"/" + path, follow_symlinks=False)
                    continue
                is_kept = was is not None and was[2] and was[0] == status.st_ino
                if not is_same:
                    self._parents(path)
                if was is not None and not is_kept:
                    self._mark(path, OPAQUE)
                pending.append((path, is_new or not is_kept))
            if not is_new:
                for name in sorted(self._children.get(inside, set()) - set(names)):
                    self._mark(inside, WHITEOUT + name)
        for path in reversed(self._folders):
            source = self._tree + b"/" + path
            copy_facts(source, self._target + b"/" + path, os.lstat(source))

    def _parents(self, path: bytes) -> None:
        """Make the folder *path* and those above it."""
        if path in self._made:
            return
        self._parents(path.rpartition(b"/")[0])
        os.mkdir(self._target + b"/" + path, 0o700)
        self._made.add(path)
        self._folders.append(path)

    def _mark(self, folder: bytes, name: bytes) -> None:
        self._parents(folder)
        os.close(os.open(self._target + b"/" + folder + b"/" + name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
