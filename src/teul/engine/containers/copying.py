"""`cp`: files into and out of a container, running or not, as a tar stream between two trees.

Both sides are trees below a root folder, the container's or the host's, and every path is resolved inside its root by the
kernel (`openat2`), component by component, so that no link of a container, and none that it makes meanwhile, leads out.
A running container is seen through its own first process, with all that is mounted into it; of one that does not run the
file tree is mounted for the time, with its volumes and binds.

Source: Docker's documentation, "docker container cp".
"""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
from contextlib import contextmanager

from teul.engine.containers.lookup import bundle_of, get
from teul.errors import Conflict, InvalidInput, MalformedArchive, NotFound, text
from teul.host.fs import open_in_root, remove_tree
from teul.host.launch import Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import dataclass
    from typing import IO

    from teul.engine import Engine
    from teul.engine.containers.record import Container
else:
    from teul.values import dataclass

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_XATTR = "SCHILY.xattr."
LINK_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Tree:
    """A root folder, as seen from here, and how its paths are called in errors. *owner* is who gets what is written."""

    root: str
    shown: str = ""
    owner: tuple[int, int] | None = None


HOST = Tree("/")


@contextmanager
def tree_of(engine: Engine, name: str, *, takes_owner: bool = False) -> Iterator[tuple[Container, Tree]]:
    """A container's tree. With *takes_owner* what is written belongs to its user, if it has one.

    Raises:
        ContainerNotFound.
    """
    from teul.runtime import users

    found = get(engine, name)
    with _root(engine, found) as root:
        owner = None
        if takes_owner and found.user:
            user = users.resolve_user(root, found.user)
            owner = (user.uid, user.gid)
        yield found, Tree(root, name, owner)


@contextmanager
def _root(engine: Engine, container: Container) -> Iterator[str]:
    if container.is_running and container.pid:
        yield f"/proc/{container.pid}/root"
        return
    from teul.oci.runtime import Mount
    from teul.runtime.mountpoints import with_mountpoints

    inside = tuple(
        Mount("bind", point.source, point.target, ("rbind", "ro") if point.readonly else ("rbind",))
        for point in sorted(container.mounts, key=lambda point: point.target.count("/"))
        if point.kind in ("bind", "volume") and os.path.exists(point.source)
    )
    bundle = bundle_of(engine, container.id)
    targets = {mount.target for mount in inside}
    inside += tuple(
        Mount("bind", f"{bundle}/{name}", f"/etc/{name}", ("rbind",))
        for name in ("hosts", "hostname", "resolv.conf")
        if f"/etc/{name}" not in targets and os.path.exists(f"{bundle}/{name}")
    )
    mounts = with_mountpoints(engine.snapshots.mounts(container.id), inside, f"{engine.settings.root}/mountpoints")
    folder = f"{engine.settings.run_root}/views/{container.id}-{os.urandom(4).hex()}"
    os.makedirs(folder, mode=0o700)
    try:
        with Stage(mounts, folder, inside=inside) as stage:
            yield stage.root + folder
    finally:
        remove_tree(folder)


def pack(tree: Tree, path: str, output: IO[bytes], *, name: str | None = None, follows: bool = False) -> None:
    """Write what is at *path* as a tar.

    Args:
        path: absolute in the tree; `/.` at its end means what the folder holds.
        name: the first member's; default: the last part of *path*.
        follows: a link at *path* stands for what it leads to.
    Raises:
        NotFound. InvalidInput: `name/` of what is no folder.
    """
    wants_folder = path.endswith(("/", "/."))
    if follows or wants_folder:
        descriptor = _open(tree, path, os.O_PATH)
    else:
        descriptor = _open(tree, path, os.O_PATH | os.O_NOFOLLOW)
    try:
        if wants_folder and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise InvalidInput(text("lstat {path}: not a directory", path=path))
        if name is None:
            name = "." if path.endswith("/.") else posixpath.basename(posixpath.normpath(path)) or "."
        with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT, dereference=False) as archive:
            _Packer(archive).add(descriptor, name)
    finally:
        os.close(descriptor)


class _Packer:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._links: dict[tuple[int, int], str] = {}

    def add(self, descriptor: int, name: str) -> None:
        """The file at *descriptor* (O_PATH) and, of a folder, all below; sockets have no place in a tar."""
        status = os.fstat(descriptor)
        mode = status.st_mode
        info = tarfile.TarInfo(name)
        info.mode = stat.S_IMODE(mode)
        info.uid, info.gid, info.mtime = status.st_uid, status.st_gid, int(status.st_mtime)
        if not stat.S_ISDIR(mode) and status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), name)
            if first != name:
                info.type, info.linkname = tarfile.LNKTYPE, first
                self._archive.addfile(info)
                return
        if stat.S_ISREG(mode):
            self._file(descriptor, info)
        elif stat.S_ISDIR(mode):
            info.type = tarfile.DIRTYPE
            self._archive.addfile(info)
            self._below(descriptor, name)
        elif stat.S_ISLNK(mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink("", dir_fd=descriptor)
            self._archive.addfile(info)
        elif not stat.S_ISSOCK(mode):
            kinds = {stat.S_IFCHR: tarfile.CHRTYPE, stat.S_IFBLK: tarfile.BLKTYPE, stat.S_IFIFO: tarfile.FIFOTYPE}
            info.type = kinds[stat.S_IFMT(mode)]
            info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
            self._archive.addfile(info)

    def _file(self, descriptor: int, info: tarfile.TarInfo) -> None:
        # Through /proc the very file is opened that was looked at, whatever has its name by now.
        with open(f"/proc/self/fd/{descriptor}", "rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            info.pax_headers = {
                _XATTR + attribute: os.getxattr(file.fileno(), attribute).decode("utf-8", "surrogateescape")
                for attribute in os.listxattr(file.fileno())
                if attribute == "security.capability" or attribute.startswith("user.")
            }
            self._archive.addfile(info, _Exactly(file, info.size))

    def _below(self, descriptor: int, name: str) -> None:
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
        try:
            for each in sorted(os.listdir(folder)):
                try:
                    found = os.open(each, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                except FileNotFoundError:
                    continue
                try:
                    self.add(found, f"{name}/{each}")
                finally:
                    os.close(found)
        finally:
            os.close(folder)


class _Exactly:
    """A file that gives as many bytes as was said, whatever happens to it: a log may shrink while it is read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        data += bytes(wanted - len(data))
        self._left -= wanted
        return data


def unpack(source: IO[bytes], tree: Tree, folder: str) -> None:
    """Extract a tar into *folder*, which exists.

    Raises:
        NotFound, Conflict (a folder where a file would go, or the reverse), MalformedArchive, Denied.
    """
    try:
        with tarfile.open(fileobj=source, mode="r|*") as archive:
            later: list[tuple[str, tarfile.TarInfo]] = []
            for info in archive:
                if info.islnk():
                    info.linkname = _clean(info.linkname)
                _member(archive, info, tree, folder, _clean(info.name), later)
            # A folder's time is of what is put into it; it is set when all is there.
            for member, info in reversed(later):
                _times(tree, f"{folder}/{member}", info)
    except tarfile.TarError as error:
        raise MalformedArchive(text("not a tar: {problem}", problem=error)) from error


def _clean(name: str) -> str:
    """*name* below nothing: no leading slash, and no `..` that leads above the beginning."""
    return posixpath.normpath("/" + name).lstrip("/") or "."


def _member(
    archive: tarfile.TarFile,
    info: tarfile.TarInfo,
    tree: Tree,
    folder: str,
    member: str,
    later: list[tuple[str, tarfile.TarInfo]],
) -> None:
    parent, base = posixpath.split(member)
    at = _made(tree, folder, parent)
    try:
        if member == ".":
            return
        try:
            there: int | None = os.lstat(base, dir_fd=at).st_mode
        except FileNotFoundError:
            there = None
        if there is not None:
            if stat.S_ISDIR(there) != info.isdir():
                words = ("directory", "non-directory") if stat.S_ISDIR(there) else ("non-directory", "directory")
                raise Conflict(
                    text("cannot overwrite {there} `{path}` with {given}", there=words[0], given=words[1],
                         path=posixpath.join(folder, member))
                )  # fmt: skip
            if not info.isdir():
                os.unlink(base, dir_fd=at)
        _make(archive, info, tree, folder, at, base, is_there=there is not None)
        uid, gid = tree.owner or (info.uid, info.gid)
        if not info.islnk():
            os.chown(base, uid, gid, dir_fd=at, follow_symlinks=False)
            if not info.issym():
                place = os.open(base, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                try:
                    # After the owner: a change of owner takes setuid away.
                    os.chmod(f"/proc/self/fd/{place}", info.mode & 0o7777)
                finally:
                    os.close(place)
            os.utime(base, (info.mtime, info.mtime), dir_fd=at, follow_symlinks=False)
        if info.isdir():
            later.append((member, info))
    finally:
        os.close(at)


def _make(
    archive: tarfile.TarFile, info: tarfile.TarInfo, tree: Tree, folder: str, at: int, base: str, *, is_there: bool
) -> None:
    if info.isdir():
        if not is_there:
            os.mkdir(base, 0o700, dir_fd=at)
    elif info.issym():
        os.symlink(info.linkname, base, dir_fd=at)
    elif info.islnk():
        target = _open(tree, f"{folder}/{info.linkname}", os.O_PATH | os.O_NOFOLLOW)
        try:
            os.link(f"/proc/self/fd/{target}", base, dst_dir_fd=at, follow_symlinks=True)
        finally:
            os.close(target)
    elif info.isfifo():
        os.mkfifo(base, 0o600, dir_fd=at)
    elif info.ischr() or info.isblk():
        kind = stat.S_IFCHR if info.ischr() else stat.S_IFBLK
        os.mknod(base, kind | 0o600, os.makedev(info.devmajor, info.devminor), dir_fd=at)
    elif info.isreg():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        content = archive.extractfile(info)
        assert content is not None
        with os.fdopen(os.open(base, flags, 0o600, dir_fd=at), "wb") as file:
            while piece := content.read(1 << 20):
                file.write(piece)
            file.flush()
            for key, value in info.pax_headers.items():
                if key.startswith(_XATTR):
                    try:
                        os.setxattr(file.fileno(), key.removeprefix(_XATTR), value.encode("utf-8", "surrogateescape"))
                    except OSError:
                        # A filesystem without them holds the file all the same, as for cp(1).
                        continue


def _times(tree: Tree, path: str, info: tarfile.TarInfo) -> None:
    try:
        descriptor = open_in_root(tree.root, path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.utime(descriptor, (info.mtime, info.mtime))
    finally:
        os.close(descriptor)


def _made(tree: Tree, folder: str, parent: str) -> int:
    """The folder *parent* below *folder*, made where it is missing; links on the way resolve inside the tree."""
    try:
        return _open(tree, f"{folder}/{parent}", os.O_PATH | os.O_DIRECTORY)
    except NotFound:
        if not parent:
            raise
    above = _made(tree, folder, posixpath.dirname(parent))
    try:
        os.mkdir(posixpath.basename(parent), 0o755, dir_fd=above)
    finally:
        os.close(above)
    return _open(tree, f"{folder}/{parent}", os.O_PATH | os.O_DIRECTORY)


def kind_of(tree: Tree, path: str, *, follows: bool = True) -> str:
    """What is at *path*: "folder", "file" (anything else), or "" for nothing."""
    try:
        descriptor = _open(tree, path, os.O_PATH | (0 if follows else os.O_NOFOLLOW))
    except NotFound:
        return ""
    try:
        return "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
    finally:
        os.close(descriptor)


def target_of(tree: Tree, path: str) -> str:
    """Where a link at the end of *path* leads, as an absolute path in the tree; *path* itself when it is no link.

    A copy *to* a link goes where it leads, even if nothing is there yet.
    """
    for _ in range(LINK_LIMIT):
        try:
            descriptor = _open(tree, path, os.O_PATH | os.O_NOFOLLOW)
        except NotFound:
            return path
        try:
            if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
                return path
            path = posixpath.join(posixpath.dirname(path), os.readlink("", dir_fd=descriptor))
        finally:
            os.close(descriptor)
    raise InvalidInput(text("too many levels of symbolic links: {path}", path=path))


def _open(tree: Tree, path: str, flags: int) -> int:
    try:
        return open_in_root(tree.root, path, flags)
    except (FileNotFoundError, NotADirectoryError):
        raise missing(tree, path) from None


def missing(tree: Tree, path: str) -> NotFound:
    """The error for a path that is not there, in Docker's words."""
    shown = posixpath.normpath("/" + path.lstrip("/"))
    if tree.shown:
        return NotFound(text("Could not find the file {path} in container {name}", path=shown, name=tree.shown))
    return NotFound(text("lstat {path}: no such file or directory", path=shown))
