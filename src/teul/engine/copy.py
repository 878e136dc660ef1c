"""A folder of a mounted rootfs, copied out of it as it is: owners, modes, times, links, attributes."""

from __future__ import annotations

import os
import stat

from teul.host.fs import open_in_root

CHUNK_BYTES = 1 << 20


def copy_tree(rootfs: str, path: str, to: str) -> bool:
    """Copy the folder *path* of *rootfs* (links in it resolve inside) to *to*, which must not exist; False: no folder.

    Only the way to *path* follows links; inside, links are copied as links. Device nodes and sockets are left out.
    """
    try:
        source = open_in_root(rootfs, path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.mkdir(to, 0o700)
        target = os.open(to, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _copy_folder(source, target, {})
        finally:
            os.close(target)
    finally:
        os.close(source)
    return True


def _copy_folder(source: int, target: int, links: dict[tuple[int, int], tuple[int, str]]) -> None:
    """Everything below *source* into *target*, then the folder's own attributes."""
    for name in os.listdir(source):
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
            try:
                outer = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)
                try:
                    _copy_folder(inner, outer, links)
                finally:
                    os.close(outer)
            finally:
                os.close(inner)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
            os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)
        elif stat.S_ISREG(status.st_mode):
            if status.st_nlink > 1:
                known = links.get((status.st_dev, status.st_ino))
                if known is not None:
                    os.link(known[1], name, dst_dir_fd=target)
                    continue
            _copy_file(name, source, target)
            if status.st_nlink > 1:
                # A path through the descriptor that stays valid: the tree is ours alone until it is renamed.
                place = os.readlink(f"/proc/self/fd/{target}")
                links[status.st_dev, status.st_ino] = (target, f"{place}/{name}")
        elif stat.S_ISFIFO(status.st_mode):
            os.mkfifo(name, stat.S_IMODE(status.st_mode), dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    _copy_attributes(source, target)


def _copy_file(name: str, source: int, target: int) -> None:
    reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        writer = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
        try:
            while os.sendfile(writer, reader, None, CHUNK_BYTES):
                pass
            _copy_attributes(reader, writer)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _copy_attributes(source: int, target: int) -> None:
    status = os.fstat(source)
    # The owner first: a change of owner clears the set-user-id bit and file capabilities.
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if not name.startswith(("trusted.overlay.", "user.overlay.")):
            try:
                os.setxattr(target, name, os.getxattr(source, name))
            except OSError:
                continue
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
