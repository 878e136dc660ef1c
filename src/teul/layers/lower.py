"""Looking a path up in a stack of layer folders, as overlay would merge them. Must not change them."""

from __future__ import annotations

import os
import stat

from teul.layers.pack import OPAQUE, OPAQUE_ATTRIBUTES, WHITEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Protocol

    class Lookup(Protocol):
        """Whatever says what is at a path of a tree."""

        def find(self, path: bytes) -> tuple[bytes, os.stat_result] | None: ...


class Lower:
    """A read-only merged view of layer folders."""

    def __init__(self, folders: Sequence[str]) -> None:
        """*folders*: bottom first."""
        self._folders: list[bytes] = []
        self._count = len(folders)
        for folder in reversed(folders):
            self._folders.append(os.fsencode(folder))
            if is_opaque(self._folders[-1]):
                break

    def find(self, path: bytes) -> tuple[bytes, os.stat_result] | None:
        """Where the entry at *path* (clean, relative; links are not followed) lies, and its status; None when absent."""
        if not path:
            return None
        contributing = self._folders
        found: tuple[bytes, os.stat_result] | None = None
        for name in path.split(b"/"):
            found = None
            following: list[bytes] = []
            for folder in contributing:
                full = folder + b"/" + name
                try:
                    status = os.lstat(full)
                except (FileNotFoundError, NotADirectoryError):
                    if is_missing_by_file(folder, name):
                        break
                    continue
                if stat.S_ISDIR(status.st_mode):
                    following.append(full)
                    found = found or (full, status)
                    if is_opaque(full) or is_missing_by_file(folder, name):
                        break
                    continue
                # Below a folder, anything else ends the stack; on top of it, it is the entry itself.
                if not following and not is_whiteout(status):
                    found = (full, status)
                break
            if found is None:
                return None
            contributing = following
        return found

    def folders_at(self, path: bytes) -> list[bytes]:
        """The folders that make up the merged folder *path*, upper-most first; [] where it is none."""
        contributing = self._folders
        for name in path.split(b"/"):
            following: list[bytes] = []
            for folder in contributing:
                full = folder + b"/" + name
                try:
                    status = os.lstat(full)
                except (FileNotFoundError, NotADirectoryError):
                    if is_missing_by_file(folder, name):
                        break
                    continue
                if not stat.S_ISDIR(status.st_mode):
                    break
                following.append(full)
                if is_opaque(full) or is_missing_by_file(folder, name):
                    break
            contributing = following
        return contributing

    def walk(self) -> Iterator[tuple[bytes, int, bytes, os.stat_result]]:
        """Every entry of the merged tree: its path, the number of its layer (bottom is 0), where it lies, its status.

        A folder comes before what is in it; its layer is the upper-most one that has it.
        """
        bottom = self._count - 1
        pending = [(b"", [(bottom - place, folder) for place, folder in enumerate(self._folders)])]
        while pending:
            path, contributing = pending.pop()
            folders: dict[bytes, list[tuple[int, bytes]]] = {}
            closed: set[bytes] = set()
            for number, folder in contributing:
                hidden: list[bytes] = []
                with os.scandir(folder) as entries:
                    for entry in entries:
                        name = entry.name
                        if name.startswith(WHITEOUT):
                            hidden.append(name[len(WHITEOUT) :])
                        elif name in closed:
                            continue
                        elif entry.is_dir(follow_symlinks=False):
                            if name not in folders:
                                yield _joined(path, name), number, entry.path, entry.stat(follow_symlinks=False)
                            folders.setdefault(name, []).append((number, entry.path))
                        else:
                            closed.add(name)
                            status = entry.stat(follow_symlinks=False)
                            if name not in folders and not is_whiteout(status):
                                yield _joined(path, name), number, entry.path, status
                closed.update(hidden)
                if is_opaque(folder):
                    break
            pending += [(_joined(path, name), places) for name, places in sorted(folders.items(), reverse=True)]


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def is_whiteout(status: os.stat_result) -> bool:
    """Overlay's mark for "nothing here, whatever lies below"."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(folder: bytes) -> bool:
    """Whether *folder* hides what the layers below have in it (overlay's attribute, or the mark as a file)."""
    for name in OPAQUE_ATTRIBUTES:
        try:
            if os.getxattr(folder, name, follow_symlinks=False) == b"y":
                return True
        except OSError:
            continue
    return os.path.lexists(folder + b"/" + OPAQUE)


def is_missing_by_file(folder: bytes, name: bytes) -> bool:
    """Whether *folder* has the mark for "no *name* below" as a file (where whiteout devices cannot be made)."""
    return os.path.lexists(folder + b"/" + WHITEOUT + name)


def whiteouts(folder: str) -> Iterator[bytes]:
    """The paths that a layer's folder hides, by device or by file."""
    top = os.fsencode(folder)
    pending = [b""]
    while pending:
        inside = pending.pop()
        with os.scandir(top + b"/" + inside) as entries:
            for entry in entries:
                path = inside + b"/" + entry.name if inside else entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                elif entry.name.startswith(WHITEOUT):
                    if entry.name != OPAQUE:
                        yield (inside + b"/" if inside else b"") + entry.name[len(WHITEOUT) :]
                elif not entry.is_file(follow_symlinks=False) and is_whiteout(entry.stat(follow_symlinks=False)):
                    yield path
