"""Writing files into a tree, as COPY and WORKDIR do. Nothing is ever written outside of the tree.

No process runs in the tree meanwhile, so a path that was resolved stays what it is.

Source: the rules of tonistiigi/fsutil's copy, which BuildKit uses: a folder's content is copied, not the folder; a file
goes into a destination that is a folder or ends with `/`; folders on the way, and the one that the content goes to,
are made 0755; folders inside give their mode and owner also to those that exist already.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from teul.build.modes import apply_mode
from teul.build.tree import Entry, Tree, shown, signature
from teul.errors import ContextChanged, InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


CHUNK_BYTES = 8 << 20
KERNEL_BYTES = 128 << 20
"""What the kernel is asked to copy at a time; between two such pieces a build can be stopped."""


@dataclass(slots=True)
class Copied:
    """What was written."""

    files: int = 0
    size_bytes: int = 0


class Copier:
    """Writes into *rootfs* (an absolute path).

    Args:
        owner: uid and gid of everything; None keeps the source's.
        chmod: what `--chmod` says, "" nothing.
        should_stop: asked between files and pieces of large ones; *on_file* hears of each file's size.
    """

    def __init__(
        self,
        rootfs: str,
        *,
        owner: tuple[int, int] | None = (0, 0),
        made_owner: tuple[int, int] = (0, 0),
        chmod: str = "",
        hidden: Callable[[str], bool] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        on_file: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.rootfs = rootfs
        self.tree = Tree(rootfs)
        self.owner = owner
        self.made_owner = made_owner
        self.chmod = chmod
        self.hidden = hidden
        self.should_stop = should_stop
        self.on_file = on_file
        self.copied = Copied()
        self._links: dict[tuple[int, int], str] = {}

    def place(self, tree: Tree, path: str, name: str, destination: str) -> None:
        """Copy what is at *path* (resolved) in *tree* to *destination*; *name* is what a file is called there.

        Raises:
            InvalidInput: the destination does not take it.
            ContextChanged: a file changed since its content was looked at.
        """
        source = Tree.absolute(tree, path)
        if stat.S_ISDIR(os.lstat(source).st_mode):
            self._folder(tree, path, self.tree.resolve(destination))
            return
        if self.hidden is not None and self.hidden(path.rpartition("/")[2]):
            return
        target = self.target(destination, name)
        for entry in tree.walk(path):
            self._entry(tree, entry, target)

    def place_with_parents(self, tree: Tree, pivot: str, path: str, destination: str) -> None:
        """Copy *path* with the folders above it up to *pivot*, which take over mode and owner of the source's."""
        kept = path[len(pivot) :].strip("/")
        target = self.tree.resolve(destination)
        self.make_folder(target)
        folders = kept.split("/")[:-1]
        for number in range(1, len(folders) + 1):
            inner = "/".join(folders[:number])
            source = f"{pivot}/{inner}" if pivot else inner
            place = f"{target}/{inner}" if target else inner
            self.make_folder(place)
            self._finish(self.tree.absolute(place), tree, entry_at(tree, source))
        where = f"{target}/{kept}" if target and kept else target or kept
        if os.path.isdir(tree.absolute(path)) and not os.path.islink(tree.absolute(path)):
            self._folder(tree, path, where)
            return
        for entry in tree.walk(path):
            self._entry(tree, entry, where)

    def target(self, destination: str, name: str) -> str:
        """Where a file called *name* goes: into a folder that is there or ends with `/`, else to that path itself."""
        resolved = self.tree.resolve(destination)
        if destination.endswith("/"):
            self.make_folder(resolved)
        if destination.endswith("/") or os.path.isdir(self.tree.absolute(resolved)):
            return f"{resolved}/{name}" if resolved else name
        self.make_folder(resolved.rpartition("/")[0])
        return resolved

    def write(self, name: str, content: bytes, destination: str, *, mtime_ns: int) -> None:
        """A file that stands in the Dockerfile itself: mode 0644."""
        self.write_chunks(name, (content,), destination, mode=0o644, mtime_ns=mtime_ns)

    def write_chunks(self, name: str, content: Iterable[bytes], destination: str, *, mode: int, mtime_ns: int) -> None:
        """A file from bytes as they come; *mode* holds unless `--chmod` says otherwise."""
        target = self.free(self.target(destination, name))
        with open(target, "xb") as file:
            for chunk in content:
                self._check_stop()
                file.write(chunk)
                self.copied.size_bytes += len(chunk)
                self.on_file(len(chunk))
            mode = apply_mode(self.chmod, mode, is_folder=False) if self.chmod else mode
            os.fchown(file.fileno(), *(self.owner or (0, 0)))
            os.fchmod(file.fileno(), mode)
        self.copied.files += 1
        os.utime(target, ns=(mtime_ns, mtime_ns))

    def make_folder(self, path: str) -> bool:
        """Make *path* (resolved) and those above it, 0755; True when it was not there.

        Raises:
            InvalidInput: something that is no folder is in the way.
        """
        made: list[str] = []
        current = path
        while current:
            full = self.tree.absolute(current)
            try:
                status = os.lstat(full)
            except FileNotFoundError:
                made.append(full)
                current = current.rpartition("/")[0]
                continue
            except NotADirectoryError:
                current = current.rpartition("/")[0]
                continue
            if not stat.S_ISDIR(status.st_mode):
                raise InvalidInput(text("cannot make folder `{path}`: a file is in the way", path="/" + shown(current)))
            break
        for full in reversed(made):
            os.mkdir(full, 0o755)
            os.chmod(full, 0o755)
            os.chown(full, *self.made_owner)
        return bool(made)

    def _folder(self, tree: Tree, path: str, destination: str) -> None:
        """The content of a folder; the folders in it take over their mode and owner, it itself does not, new or not."""
        self.make_folder(destination)
        folders: list[tuple[str, Entry]] = []
        prefix = len(path) + 1 if path else 0
        for entry in tree.walk(path):
            if entry.path == path:
                continue
            inner = entry.path[prefix:]
            if self.hidden is not None and self.hidden(inner):
                continue
            target = f"{destination}/{inner}" if destination else inner
            if not entry.is_folder:
                self._entry(tree, entry, target)
                continue
            full = self.tree.absolute(target)
            try:
                status = os.lstat(full)
            except FileNotFoundError:
                self.make_folder(target.rpartition("/")[0])
                os.mkdir(full, 0o700)
            else:
                if not stat.S_ISDIR(status.st_mode):
                    raise InvalidInput(text("cannot copy to non-directory: `{path}`", path="/" + shown(target)))
            folders.append((target, entry))
        # Last, since a folder that is not writable or has its time set must not change any more.
        for target, entry in reversed(folders):
            self._finish(self.tree.absolute(target), tree, entry)

    def _entry(self, tree: Tree, entry: Entry, target: str) -> None:
        """Anything but a folder."""
        self._check_stop()
        self.make_folder(target.rpartition("/")[0])
        full = self.free(target)
        status = entry.status
        self.copied.files += 1
        if entry.is_file:
            first = self._links.get((status.st_dev, status.st_ino)) if status.st_nlink > 1 else None
            if first is not None:
                os.link(first, full)
                return
            self._content(tree, entry, full)
            if status.st_nlink > 1:
                self._links[status.st_dev, status.st_ino] = full
        elif entry.is_link:
            os.symlink(os.readlink(tree.absolute(entry.path)), full)
        else:
            make_special(full, stat.S_IFMT(status.st_mode), status.st_rdev, shown(entry.path))
        self._finish(full, tree, entry)

    def _check_stop(self) -> None:
        if self.should_stop():
            from teul.errors import Cancelled

            raise Cancelled(text("cancelled"))

    def free(self, target: str) -> str:
        """The absolute path, with nothing there any more; a folder is in the way."""
        full = self.tree.absolute(target)
        try:
            status = os.lstat(full)
        except FileNotFoundError:
            return full
        if stat.S_ISDIR(status.st_mode):
            raise InvalidInput(text("cannot replace directory `{path}` with a file", path="/" + shown(target)))
        os.unlink(full)
        return full

    def _content(self, tree: Tree, entry: Entry, full: str) -> None:
        source = os.open(tree.absolute(entry.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            made = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                _copy(source, made, entry.status.st_size, self._check_stop)
            finally:
                os.close(made)
            seen = tree.seen.get(entry.path) or signature(entry.status)
            if signature(os.fstat(source)) != seen:
                raise ContextChanged(shown(entry.path))
        finally:
            os.close(source)
        self.copied.size_bytes += entry.status.st_size
        self.on_file(entry.status.st_size)

    def _finish(self, full: str, tree: Tree, entry: Entry) -> None:
        status = entry.status
        owner = self.owner if self.owner is not None else (status.st_uid, status.st_gid)
        os.chown(full, *owner, follow_symlinks=False)
        if not entry.is_link:
            mode = tree.mode_of(entry)
            if self.chmod:
                mode = apply_mode(self.chmod, mode, is_folder=entry.is_folder)
            os.chmod(full, mode)
            if tree.owners and entry.is_file:
                _copy_attributes(tree.absolute(entry.path), full)
        os.utime(full, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)


def make_special(full: str, kind: int, device: int, name: str) -> None:
    """A pipe, a socket or a device at *full*; *name* is what messages call it.

    Raises:
        InvalidInput: the filesystem does not take it; an overlay says "removed" by the character device 0:0.
    """
    try:
        os.mknod(full, kind | 0o600, device)
    except PermissionError as error:
        raise InvalidInput(
            text(
                "device `{path}` ({major}:{minor}) cannot be made here",
                path=name,
                major=os.major(device),
                minor=os.minor(device),
            ),
            hint=text("leave it out by a line in .dockerignore"),
        ) from error


def entry_at(tree: Tree, path: str) -> Entry:
    """One entry, whatever hides it."""
    return Entry(path, os.lstat(tree.absolute(path)))


def _copy(source: int, made: int, size: int, check_stop: Callable[[], None]) -> None:
    """All bytes, by the kernel (which shares the blocks where the filesystem can)."""
    done = 0
    while done < size:
        check_stop()
        try:
            count = os.copy_file_range(source, made, min(size - done, KERNEL_BYTES))
        except OSError:
            break
        if count == 0:
            break
        done += count
    while True:
        check_stop()
        data = os.read(source, CHUNK_BYTES)
        if not data:
            return
        view = memoryview(data)
        while view:
            view = view[os.write(made, view) :]


def _copy_attributes(source: str, made: str) -> None:
    """File capabilities and the user's attributes."""
    for name in os.listxattr(source, follow_symlinks=False):
        if name == "security.capability" or (name.startswith("user.") and not name.startswith("user.overlay.")):
            os.setxattr(made, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)


def find_owner(rootfs: str, owner: str) -> tuple[int, int]:
    """What `--chown` means: names from the tree's own files; a number without a group is that group too.

    Raises:
        InvalidInput: no such user or group in there.
    """
    from teul.runtime.users import resolve_user

    user, colon, group = owner.partition(":")
    if user.isascii() and user.isdigit() and not (colon and group):
        return int(user), int(user)
    found = resolve_user(rootfs, owner)
    return found.uid, found.gid
