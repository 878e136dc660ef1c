"""Files and folders by content: what a step reads and what it leaves. Must not know steps, runs or images.

The digest of a tree is that of its listing: names, kinds, the execute bit, contents, targets of links; not owners, times
or other modes, which differ from machine to machine. A single file's tree is the file's own digest.
"""

from __future__ import annotations

import os
import posixpath
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import file_digest

from teul.errors import InvalidInput, text
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from teul.state.db import Database

FILE, EXECUTABLE, FOLDER, LINK = "file", "executable", "folder", "link"
LEFT_OUT = frozenset({"__pycache__", ".ipynb_checkpoints", ".DS_Store"})
"""What programs leave in folders of sources; as inputs they do not count."""
SETTLED_S = 0.1
"""A file changed less than this many seconds ago may change again without its times showing it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a tree; `path` is relative, "" for the root. `content` is a digest, a link's target, or ""."""

    path: str
    kind: str
    content: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """Entries sorted by path, the root first; parents come before what is in them."""

    entries: tuple[Entry, ...]

    @property
    def digest(self) -> str:
        """What stands for the whole tree in cache keys."""
        root = self.entries[0]
        if len(self.entries) == 1 and root.kind == FILE:
            return root.content
        return digest_of([[entry.path, entry.kind, entry.content] for entry in self.entries])

    @property
    def files(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kind in (FILE, EXECUTABLE))

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.entries)

    def below(self, path: str) -> Tree | None:
        """The part of the tree at *path* (normal form; "." is all of it), or None when there is nothing."""
        if path == ".":
            return self
        made = [
            Entry(posixpath.relpath(entry.path, path) if entry.path != path else "", *_rest(entry))
            for entry in self.entries
            if entry.path == path or entry.path.startswith(path + "/")
        ]
        return Tree(tuple(made)) if made else None

    def to_json(self) -> list[list[Any]]:
        return [[entry.path, entry.kind, entry.content, entry.size_bytes] for entry in self.entries]

    @classmethod
    def from_json(cls, value: Sequence[Sequence[Any]]) -> Tree:
        return cls(tuple(Entry(*item) for item in value))


def _rest(entry: Entry) -> tuple[str, str, int]:
    return entry.kind, entry.content, entry.size_bytes


def scan(
    path: str,
    digest: Callable[[str, os.stat_result], str],
    *,
    shown: str = "",
    skip: frozenset[str] = frozenset(),
) -> Tree:
    """Read what is at *path*; *digest* gives a file's digest by its path and status. Links are not followed, names in
    *skip* are passed over.

    Raises:
        FileNotFoundError: nothing is there.
        InvalidInput: a socket, a pipe or a device; a link that leads out of the tree.
    """
    return Tree(tuple(sorted(_scan(path, "", digest, shown or path, skip), key=lambda entry: entry.path.split("/"))))


def _scan(
    path: str, relative: str, digest: Callable[[str, os.stat_result], str], shown: str, skip: frozenset[str]
) -> Iterator[Entry]:
    status = os.lstat(path)
    mode = status.st_mode
    if stat.S_ISREG(mode):
        kind = EXECUTABLE if mode & 0o111 else FILE
        yield Entry(relative, kind, digest(path, status), status.st_size)
    elif stat.S_ISDIR(mode):
        yield Entry(relative, FOLDER)
        with os.scandir(path) as found:
            names = sorted(entry.name for entry in found)
        for name in names:
            if name in skip:
                continue
            try:
                name.encode()
            except UnicodeEncodeError:
                raise InvalidInput(text("`{path}`: a name in it is not UTF-8", path=shown)) from None
            yield from _scan(
                f"{path}/{name}", f"{relative}/{name}" if relative else name, digest, f"{shown}/{name}", skip
            )
    elif stat.S_ISLNK(mode):
        target = os.readlink(path)
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(relative) or ".", target))
        if target.startswith("/") or inside == ".." or inside.startswith("../") or not relative:
            raise InvalidInput(text("`{path}` is a link that leads out of it: {target}", path=shown, target=target))
        yield Entry(relative, LINK, target)
    else:
        raise InvalidInput(text("`{path}`: expected a file or a folder", path=shown))


def hash_file(path: str) -> str:
    with open(path, "rb") as file:
        return "sha256:" + file_digest(file, "sha256").hexdigest()


class FileDigests:
    """Digests of files below one folder, remembered in the database while a file's status stays the same.

    The builder remembers its contexts' files in the same table, as bare hexadecimal digits.
    """

    def __init__(self, db: Database, folder: str) -> None:
        from teul.state.cache import file_digests

        self._db = db
        self._known: dict[str, tuple[tuple[int, int, int, int, int], str]] = file_digests(db, folder)
        self._new: dict[str, tuple[tuple[int, int, int, int, int], str]] = {}

    def __call__(self, path: str, status: os.stat_result) -> str:
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = self._known.get(path)
        if known is not None and known[0] == key:
            return "sha256:" + known[1]
        made = hash_file(path)
        after = os.lstat(path)
        same = key == (after.st_dev, after.st_ino, after.st_size, after.st_mtime_ns, after.st_ctime_ns)
        if same and time.time() - after.st_ctime > SETTLED_S:
            self._known[path] = self._new[path] = (key, made.removeprefix("sha256:"))
        return made

    def save(self) -> None:
        """Write what is new; nothing when nothing is."""
        if self._new:
            from teul.state.cache import put_file_digests

            put_file_digests(self._db, self._new)
            self._new = {}


def place(
    tree: Tree,
    target: str,
    read: Callable[[str], Iterator[bytes]],
    *,
    owner: tuple[int, int],
    for_all: bool = False,
) -> None:
    """Write *tree* at *target* in place of what is there; *read* streams a content by its digest.

    The new tree is made whole beside the old one and then takes its name, so that no reader sees a half-made one.
    Parents that are missing are made. *owner* is (uid, gid); with *for_all* everybody may read it, whatever the umask.
    """
    from teul.host.fs import remove_tree

    folder, name = os.path.split(target)
    _make_folders(folder, owner)
    fresh, old = f"{folder}/.{name}.teul-new", f"{folder}/.{name}.teul-old"
    for left in (fresh, old):
        remove_tree(left)
    try:
        _write(tree, fresh, read, owner, for_all)
        if os.path.lexists(target):
            os.rename(target, old)
        os.rename(fresh, target)
    finally:
        remove_tree(fresh)
        remove_tree(old)


def _write(
    tree: Tree, root: str, read: Callable[[str], Iterator[bytes]], owner: tuple[int, int], for_all: bool
) -> None:
    for entry in tree.entries:
        path = f"{root}/{entry.path}" if entry.path else root
        mode = 0o644 if entry.kind == FILE else 0o755
        if entry.kind == FOLDER:
            os.mkdir(path, mode)
        elif entry.kind == LINK:
            os.symlink(entry.content, path)
        else:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as file:
                for data in read(entry.content):
                    file.write(data)
        if for_all and entry.kind != LINK:
            os.chmod(path, mode)
        _give(path, owner)


def _make_folders(path: str, owner: tuple[int, int]) -> None:
    if path and not os.path.isdir(path):
        _make_folders(os.path.dirname(path), owner)
        os.mkdir(path, 0o755)
        _give(path, owner)


def _give(path: str, owner: tuple[int, int]) -> None:
    if owner != (os.geteuid(), os.getegid()):
        os.lchown(path, *owner)


def is_open(path: str) -> bool:
    """Whether everybody may read what is at *path* and below (the folders above do not count)."""
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        if mode & 0o005 != 0o005:
            return False
        with os.scandir(path) as found:
            return all(is_open(entry.path) for entry in found)
    return bool(mode & 0o004) or stat.S_ISLNK(mode)
