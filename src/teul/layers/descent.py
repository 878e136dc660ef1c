"""Walking a hostile tree: descriptors of folders below one root, reached one component at a time, never through a link.

Links among the parents are read here and resolved inside the root. Must not make or change anything but folders.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from teul.errors import MalformedLayer, UnsafePath, text
from teul.layers.lower import Lower, is_whiteout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINK_LIMIT = 40
"""Symbolic links followed in one path, as the kernel has it."""
_AT = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Descent:
    """A current folder below a root. `at` is its descriptor, `here` its path, resolved; both change together."""

    def __init__(self, folder: str, lower: Lower, make_implied: Callable[[int, bytes, bytes, bool], None]) -> None:
        """*make_implied(at, name, path, is_opaque)* makes a folder that is walked through and does not exist."""
        self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._lower = lower
        self._make_implied = make_implied
        self._asked: bytes | None = b""
        self.at = self._root
        self.here = b""
        self.followed_lower = False
        """Whether a link of the layers below was followed."""

    def close(self) -> None:
        """Idempotent."""
        if self._root >= 0:
            self.forget()
            os.close(self._root)
            self._root = self.at = -1

    def enter(self, parent: bytes) -> None:
        """Make *parent* (cleaned) the current folder, resolving links and making what is implied."""
        if parent == self._asked:
            return
        self.resolve(parent, make=True)
        self._asked = parent

    def resolve(self, parent: bytes, *, make: bool) -> bool:
        """Walk to *parent* inside the root; False when it does not exist here (and is not to be made)."""
        self.forget()
        opened = [self._root]
        names: list[bytes] = []
        remaining = parent.split(b"/")[::-1] if parent else []
        followed = 0
        try:
            while remaining:
                name = remaining.pop()
                if name in (b"", b"."):
                    continue
                if name == b"..":
                    if names:
                        names.pop()
                        os.close(opened.pop())
                    continue
                path = b"/".join([*names, name])
                try:
                    opened.append(os.open(name, _AT, dir_fd=opened[-1]))
                    names.append(name)
                    continue
                except FileNotFoundError:
                    status = None
                except (NotADirectoryError, OSError) as error:
                    if error.errno not in (20, 40):
                        raise
                    status = os.stat(name, dir_fd=opened[-1], follow_symlinks=False)
                target = None
                if status is not None and stat.S_ISLNK(status.st_mode):
                    target = os.readlink(name, dir_fd=opened[-1])
                elif status is not None and not is_whiteout(status):
                    raise MalformedLayer(text("`{path}` is a file, and something lies below it", path=shown(path)))
                elif status is None:
                    below = self._lower.find(path)
                    if below is not None and stat.S_ISLNK(below[1].st_mode):
                        target = os.readlink(below[0])
                        self.followed_lower = True
                if target is not None:
                    followed += 1
                    if followed > LINK_LIMIT:
                        raise UnsafePath(shown(path), text("too many symbolic links"))
                    if target.startswith(b"/"):
                        for descriptor in opened[:0:-1]:
                            os.close(descriptor)
                        del opened[1:], names[:]
                    remaining += target.split(b"/")[::-1]
                    continue
                if not make:
                    return False
                self._make_implied(opened[-1], name, path, status is not None)
                opened.append(os.open(name, _AT, dir_fd=opened[-1]))
                names.append(name)
            self.here = b"/".join(names)
            self.at = opened.pop() if names else self._root
            return True
        finally:
            for descriptor in opened[1:]:
                os.close(descriptor)

    def open(self, path: bytes) -> int:
        """A new descriptor of the folder at *path*, which was resolved before: no link is met."""
        at = os.dup(self._root)
        for name in path.split(b"/") if path else ():
            try:
                below = os.open(name, _AT, dir_fd=at)
            finally:
                os.close(at)
            at = below
        return at

    def forget(self) -> None:
        if self.at not in (self._root, -1):
            os.close(self.at)
        self.at = self._root
        self.here = b""
        self._asked = None

    @contextmanager
    def elsewhere(self) -> Iterator[tuple[int, bytes]]:
        """Go where one likes within the block; afterwards the current folder is again what it was (also yielded)."""
        at, here, asked = os.dup(self.at), self.here, self._asked
        try:
            yield at, here
        except BaseException:
            os.close(at)
            raise
        self.forget()
        if here or asked:
            self.at, self.here, self._asked = at, here, asked
        else:
            os.close(at)

    def path(self, name: bytes) -> bytes:
        return self.here + b"/" + name if self.here else name


def clean(path: bytes) -> bytes:
    """*path* relative to the root, without empty, `.` and `..` components.

    Raises:
        UnsafePath: `..` leaves the root.
    """
    if path[:1] not in (b"/", b".") and b"//" not in path and b"/." not in path:
        return path[:-1] if path[-1:] == b"/" else path
    names: list[bytes] = []
    for name in path.split(b"/"):
        if name == b"..":
            if not names:
                raise UnsafePath(shown(path), text("it leaves the layer's root"))
            names.pop()
        elif name not in (b"", b"."):
            names.append(name)
    return b"/".join(names)


def shown(path: bytes) -> str:
    """For messages."""
    return path.decode(errors="replace")
