"""`pack`: a folder in overlay's format → its one canonical tar. Must not change the folder.

The same tree gives the same bytes on every machine: folders before what they hold, names in bytewise order within a
folder, ustar with PAX only where needed, no owner's names, no atime or ctime, whiteouts with one constant header.
The root folder itself has no entry (as in Docker's layers).

Spec: image-spec v1.1 layer.md, "Representing Changes", "Whiteouts", "Opaque Whiteout".
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from teul.errors import MalformedLayer, text
from teul.layers.stream import HashingOutput
from teul.layers.tar import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER,
    FIFO,
    FILE,
    FOLDER,
    LINK,
    SYMLINK,
    Entry,
    format_entry,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from teul.oci.digest import Digest

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
OPAQUE_ATTRIBUTES = ("trusted.overlay.opaque", "user.overlay.opaque")


@dataclass(frozen=True, slots=True)
class Packed:
    """What came out: the tar's digest and size (bytes), the sum of its files' sizes (bytes), its entries."""

    diff_id: Digest
    tar_size_bytes: int
    size_bytes: int
    entries: int


def pack(
    folder: str, write: Callable[[bytes], object] | None = None, *, should_stop: Callable[[], bool] | None = None
) -> Packed:
    """Write the canonical tar of *folder*, piece by piece; without *write* only its digest is computed.

    Character devices 0/0 become `.wh.` entries, opaque folders get `.wh..wh..opq` before what they hold. Hard links
    within the folder are kept: the first path in order is the file. Of the extended attributes, `security.capability`
    and `user.` ones are kept. Sockets have no place in a tar and are left out.

    Raises:
        MalformedLayer: a file named `.wh.…` that is not an empty file, or one that changed while it was read.
        Cancelled: *should_stop*, asked with every buffer, said so.
    """
    output = HashingOutput(write, should_stop=should_stop)
    try:
        packer = _Packer(output)
        packer.folder(os.fsencode(folder), b"")
        output.put(bytes(2 * BLOCK))
        return Packed(output.finish(), output.offset, packer.size_bytes, packer.entries)
    finally:
        output.finish()


class _Packer:
    def __init__(self, output: HashingOutput) -> None:
        self._output = output
        self._links: dict[tuple[int, int], bytes] = {}
        self.size_bytes = 0
        self.entries = 0

    def folder(self, folder: bytes, path: bytes) -> None:
        """All that *folder* holds; *path* is its name in the tar with a slash at the end, or empty."""
        # An explicit stack: folders may be nested deeper than Python recurses.
        pending = [(folder, path, iter(_listed(folder)), False)]
        while pending:
            folder, path, names, is_hidden = pending[-1]
            for name in names:
                full = folder + b"/" + name
                status = os.lstat(full)
                if stat.S_ISDIR(status.st_mode):
                    inside = path + name + b"/"
                    is_opaque = self._folder(full, inside, status)
                    pending.append((full, inside, iter(_listed(full)), is_hidden or is_opaque))
                    break
                # Below an opaque folder there is nothing that a whiteout could hide.
                if not (is_hidden and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0):
                    self._member(full, path, name, status)
            else:
                pending.pop()

    def _put(self, entry: Entry) -> None:
        self.entries += 1
        self._output.put(format_entry(entry))

    def _folder(self, full: bytes, path: bytes, status: os.stat_result) -> bool:
        entry = _entry(path, FOLDER, status)
        names = os.listxattr(full, follow_symlinks=False)
        if names:
            entry.xattrs = _attributes(full, names)
        self._put(entry)
        if any(name in names and os.getxattr(full, name) == b"y" for name in OPAQUE_ATTRIBUTES):
            self._put(_mark(path + OPAQUE))
            return True
        return False

    def _member(self, full: bytes, path: bytes, name: bytes, status: os.stat_result) -> None:
        mode = status.st_mode
        if stat.S_ISCHR(mode) and status.st_rdev == 0:
            self._put(_mark(path + WHITEOUT + name))
            return
        if name.startswith(WHITEOUT):
            # The names are reserved. Empty files are what a snapshotter without whiteout devices marks with.
            if not stat.S_ISREG(mode) or status.st_size or name == WHITEOUT:
                raise MalformedLayer(text("`{path}`: names with `.wh.` are reserved", path=_shown(path + name)))
            self._put(_mark(path + name))
            return
        if stat.S_ISSOCK(mode):
            return
        path += name
        if status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), path)
            if first is not path:
                entry = _entry(path, LINK, status)
                entry.link = first
                self._put(entry)
                return
        if stat.S_ISREG(mode):
            self._file(full, path, status)
            return
        if stat.S_ISLNK(mode):
            entry = _entry(path, SYMLINK, status)
            entry.link = os.readlink(full)
        elif stat.S_ISFIFO(mode):
            entry = _entry(path, FIFO, status)
        else:
            entry = _entry(path, CHARACTER if stat.S_ISCHR(mode) else BLOCK_DEVICE, status)
            entry.major, entry.minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        names = os.listxattr(full, follow_symlinks=False)
        if names:
            entry.xattrs = _attributes(full, names)
        self._put(entry)

    def _file(self, full: bytes, path: bytes, status: os.stat_result) -> None:
        entry = _entry(path, FILE, status)
        size = entry.size_bytes = status.st_size
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            names = os.listxattr(descriptor)
            if names:
                entry.xattrs = _attributes(descriptor, names)
            self._put(entry)
            if size:
                output = self._output
                if output.copy(descriptor, size) != size:
                    raise MalformedLayer(text("`{path}` changed while it was read", path=_shown(path)))
                if size % BLOCK:
                    output.put(bytes(-size % BLOCK))
                self.size_bytes += size
        finally:
            os.close(descriptor)


def _listed(folder: bytes) -> list[bytes]:
    return sorted(os.listdir(folder))


def _entry(path: bytes, kind: bytes, status: os.stat_result) -> Entry:
    made = Entry()
    made.path = path
    made.kind = kind
    made.mode = status.st_mode & 0o7777
    made.uid = status.st_uid
    made.gid = status.st_gid
    made.mtime_ns = status.st_mtime_ns
    return made


def _mark(path: bytes) -> Entry:
    made = Entry()
    made.path = path
    return made


def _attributes(target: bytes | int, names: list[str]) -> dict[bytes, bytes]:
    """The extended attributes that belong in a layer."""
    follow = isinstance(target, int)
    return {
        os.fsencode(name): os.getxattr(target, name, follow_symlinks=follow)
        for name in names
        if name == "security.capability" or (name.startswith("user.") and not name.startswith("user.overlay."))
    }


def _shown(path: bytes) -> str:
    return path.decode(errors="replace")
