"""What teul asks of a filesystem beyond `os`: durable writes, safe descents, fast removal, and the crash points.

Must not know what the files mean. `ctypes` is imported where it is used: it costs 3 ms of a `teul run`.
"""

from __future__ import annotations

import errno
import os
import stat

from teul.errors import HostLacks, UnsafePath, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SYS_OPENAT2 = 437
SYS_SYNCFS = 306
AT_FDCWD = -100
RESOLVE_IN_ROOT = 0x10
RESOLVE_NO_MAGICLINKS = 0x02
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

REMOVAL_ATTEMPTS = 100

_passed: dict[str, int] = {}


def crash_point(name: str) -> None:
    """Die here, as by `kill -9`, when TEUL_CRASH_AT is *name*, or `name:n` and this is the n-th time (from 1).

    TEUL_CRASH_LOG names a file to which each point's name is appended instead, so that a test finds them all.
    Costs one look at the environment.
    """
    if "TEUL_CRASH_AT" in os.environ or "TEUL_CRASH_LOG" in os.environ:
        _at_crash_point(name)


def _at_crash_point(name: str) -> None:
    log = os.environ.get("TEUL_CRASH_LOG")
    if log:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.write(descriptor, name.encode() + b"\n")
        os.close(descriptor)
    wanted, _, count = os.environ.get("TEUL_CRASH_AT", "").partition(":")
    if wanted == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(count or 1):
            os.kill(os.getpid(), 9)


def open_in_root(root: str, path: str, flags: int, mode: int = 0) -> int:
    """Open *path* as a process whose root folder is *root* would see it; returns a file descriptor.

    Symbolic links, absolute ones and `..` too, resolve inside *root*; links to open files (`/proc/self/fd`) never do.

    Raises:
        OSError: as `os.open`.
        HostLacks: a kernel before 5.6.
    """
    import ctypes

    class OpenHow(ctypes.Structure):
        _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]

    system = ctypes.CDLL(None, use_errno=True).syscall
    at = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = OpenHow(flags | os.O_CLOEXEC, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        name = ctypes.c_char_p(os.fsencode(path.lstrip("/") or "."))
        for _ in range(100):
            opened: int = system(
                ctypes.c_long(SYS_OPENAT2),
                ctypes.c_int(at),
                name,
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
            if opened >= 0:
                return opened
            code = ctypes.get_errno()
            # EAGAIN: something was renamed while the kernel walked, and it cannot tell whether `..` left the root.
            if code not in (4, 11):
                break
        if code == 38:
            raise HostLacks("openat2 (Linux 5.6)")
        raise OSError(code, os.strerror(code), f"{root}/{path.lstrip('/')}")
    finally:
        os.close(at)


def open_file_in_root(root: str, path: str) -> int:
    """A regular file below *root* (see `open_in_root`), open for reading; returns a file descriptor that does not block.

    Nothing else is opened even for a moment: some devices act when they are opened.

    Raises:
        OSError: missing, unreadable.
        UnsafePath: not a regular file.
    """
    held = open_in_root(root, path, os.O_PATH)
    try:
        if not stat.S_ISREG(os.fstat(held).st_mode):
            raise UnsafePath(path, text("expected a regular file"))
        return os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(held)


def read_in_root(root: str, path: str, limit_bytes: int = 16 << 20) -> bytes:
    """The bytes of a regular file below *root*, at most *limit_bytes*.

    Raises:
        OSError, UnsafePath: as `open_file_in_root`.
    """
    with os.fdopen(open_file_in_root(root, path), "rb") as file:
        # None: a file of `/proc` that has nothing to tell yet.
        return file.read(limit_bytes) or b""


def fsync_folder(path: str) -> None:
    """Flush the names in folder *path* to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(path: str) -> None:
    """Flush everything of the filesystem that holds *path*: for a tree of many files, far cheaper than one by one."""
    import ctypes

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(ctypes.c_int(descriptor)) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(descriptor)


def write_atomic(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace *path* by a file with *data*: whoever reads sees the old bytes or all of the new ones, also after a crash.

    The folder must exist. A writer that dies leaves `<path>.<random>.tmp` at most.
    """
    temporary = f"{path}.{os.urandom(4).hex()}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            os.fchmod(descriptor, mode)
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        remove_file(temporary)
        raise
    fsync_folder(os.path.dirname(path) or ".")


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """`os.write` until nothing is left."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove_file(path: str) -> None:
    """Remove a name that is not a folder; a missing one is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def remove_tree(path: str) -> None:
    """Remove *path* and all below it; a missing one is fine.

    Never follows a link, never enters another filesystem (a mount left there is an error, not a deletion), and
    opens folders that were made unwritable or immutable to a plain user by their mode.

    Raises:
        OSError: EBUSY or EXDEV where something is mounted inside.
    """
    parent, name = os.path.split(path.rstrip("/"))
    try:
        at = os.open(parent or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        for attempt in range(REMOVAL_ATTEMPTS):
            try:
                status = os.stat(name, dir_fd=at, follow_symlinks=False)
            except FileNotFoundError:
                return
            try:
                if stat.S_ISDIR(status.st_mode):
                    _remove_folder(at, name, status.st_dev, path)
                else:
                    _ignore_missing(os.unlink, name, at)
                return
            except OSError as error:
                # Another was in the same tree: it took away the folder that we stood in, or wrote into one that was
                # empty. Look again.
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY) or attempt == REMOVAL_ATTEMPTS - 1:
                    raise
    finally:
        os.close(at)


def _remove_folder(at: int, name: str, device: int, shown: str) -> None:
    # The stack is our own: a hostile layer can be nested deeper than Python recurses. Only two descriptors are open
    # at a time: going up is by `..`, which cannot be redirected, since folders are never moved by anyone meanwhile.
    current = _enter(at, name, device, shown)
    if current < 0:
        return
    names = [name]
    try:
        pending = [_clear(current)]
        while True:
            if pending[-1]:
                child = pending[-1].pop()
                below = _enter(current, child, device, f"{shown}/…/{child}")
                if below >= 0:
                    os.close(current)
                    current = below
                    names.append(child)
                    pending.append(_clear(current))
                continue
            pending.pop()
            done = names.pop()
            if not names:
                _ignore_missing(os.rmdir, done, at)
                return
            above = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=current)
            os.close(current)
            current = above
            _ignore_missing(os.rmdir, done, current)
    finally:
        os.close(current)


def _enter(at: int, name: str, device: int, shown: str) -> int:
    """Open a folder for emptying; -1 when it went away."""
    try:
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=at)
        except PermissionError:
            os.chmod(name, 0o700, dir_fd=at)
            descriptor = os.open(name, _FOLDER, dir_fd=at)
    except FileNotFoundError:
        return -1
    if os.fstat(descriptor).st_dev != device:
        os.close(descriptor)
        raise OSError(18, "another filesystem is mounted there", shown)
    return descriptor


def _clear(descriptor: int) -> list[str]:
    """Unlink all that is not a folder; returns the folders."""
    folders: list[str] = []
    others: list[str] = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
    for name in others:
        try:
            os.unlink(name, dir_fd=descriptor)
        except FileNotFoundError:
            pass
        except PermissionError:
            os.fchmod(descriptor, 0o700)
            _ignore_missing(os.unlink, name, descriptor)
    return folders


def _ignore_missing(remove: Any, name: str, at: int) -> None:
    try:
        remove(name, dir_fd=at)
    except FileNotFoundError:
        pass


class FolderLock:
    """An advisory lock on a file or folder; the kernel lets go of it when the process dies, however it dies.

    Two openings of one path exclude each other, in one process too.
    """

    __slots__ = ("descriptor", "path")

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    @classmethod
    def take(cls, path: str, *, shared: bool = False, wait: bool = True, make: bool = False) -> FolderLock | None:
        """Lock *path*, a folder or a file (with *make*: made when missing); None when it is held and *wait* is off.

        Raises:
            FileNotFoundError: missing, and not to be made.
        """
        import fcntl

        if os.path.isdir(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0) | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(descriptor, operation)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    def release(self) -> None:
        """Idempotent."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def disk_bytes(path: str) -> int:
    """Bytes that the tree at *path* takes on the disk (blocks, each inode once); 0 when it is missing."""
    total = 0
    seen: set[int] = set()
    pending = [path]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                        if status.st_ino in seen:
                            continue
                        seen.add(status.st_ino)
                    total += status.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except FileNotFoundError:
            continue
    return total
