"""ADD of a local archive: its files, not itself. No member is ever written outside of the tree.

Source: Dockerfile reference, "ADD", "Adding local tar archives": found out by content, not by name.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from posixpath import normpath

from teul.errors import Corrupt, text
from teul.host.fs import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from teul.build.copying import Copier

MAGIC = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
"""gzip, bzip2, xz, zstd."""
ZSTD = MAGIC[3]
BLOCK = 512
NAMES = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR)
"""What a filesystem says of a name that it does not take."""


class _Member(tarfile.TarInfo):
    """A member whose header says so when it is damaged: the library takes what follows for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        at = archive.offset
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if at == 0 or type(error).__name__ not in ("TruncatedHeaderError", "InvalidHeaderError"):
                raise  # no archive at all, or its end
            raise tarfile.ReadError(str(error)) from error


def open_archive(path: str) -> tarfile.TarFile | None:
    """The archive at *path*, or None when it is none (an empty one, or a compressed file that is no tar, is none)."""
    with open(path, "rb") as file:
        head = file.read(BLOCK)
    if not head.startswith(MAGIC) and head[257:262] != b"ustar" and not _is_old_tar(head):
        return None
    try:
        if head.startswith(ZSTD):
            import zstandard

            stream = zstandard.ZstdDecompressor().stream_reader(open(path, "rb"), closefd=True)
            archive = tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member)
        else:
            archive = tarfile.open(path, "r:*", tarinfo=_Member)
        # A compressed file whose content is no tar fails here, as Docker's test of the first header does.
        if archive.mode == "r" and not head.startswith(ZSTD) and archive.next() is None:
            archive.close()
            return None
    except (tarfile.TarError, OSError, EOFError):
        return None
    return archive


def _is_old_tar(head: bytes) -> bool:
    """A header of the seventh edition: no magic, only its checksum says what it is."""
    if len(head) < BLOCK or not head[0]:
        return False
    try:
        expected = int(head[148:156].strip(b"\0 ") or b"x", 8)
    except ValueError:
        return False
    return expected == sum(head[:148]) + 8 * 32 + sum(head[156:])


def unpack(archive: tarfile.TarFile, copier: Copier, destination: str, *, owner: tuple[int, int] | None = None) -> None:
    """Extract into the folder *destination*, which is made; *owner* None keeps the archive's.

    As in Docker, modes are the archive's whatever `--chmod` says, and what is in the way of a member is replaced.

    Raises:
        Corrupt: the archive is damaged.
    """
    from teul.build.copying import make_special
    from teul.build.tree import shown

    root = copier.tree.resolve(destination)
    copier.make_folder(root)
    folders: list[tuple[str, tarfile.TarInfo]] = []
    member = None
    try:
        for member in archive:
            if copier.should_stop():
                from teul.errors import Cancelled

                raise Cancelled(text("cancelled"))
            name = normpath("/" + member.name).lstrip("/")
            if not name:
                continue
            target = _target(copier, root, name)
            if member.isdir():
                full = copier.tree.absolute(target)
                if os.path.lexists(full) and (os.path.islink(full) or not os.path.isdir(full)):
                    os.unlink(full)
                copier.make_folder(target)
                folders.append((target, member))
                continue
            copier.make_folder(target.rpartition("/")[0])
            full = copier.tree.absolute(target)
            if os.path.isdir(full) and not os.path.islink(full):
                remove_tree(full)
            copier.free(target)
            if member.islnk():
                linked = _target(copier, root, normpath("/" + member.linkname).lstrip("/"))
                try:
                    os.link(copier.tree.absolute(linked), full, follow_symlinks=False)
                except (FileNotFoundError, PermissionError) as error:
                    raise Corrupt(
                        text(
                            "archive `{path}`: the hard link `{link}` leads to `{target}`, which is no file before it",
                            path=archive.name or "",
                            link=shown(member.name),
                            target=shown(member.linkname),
                        )
                    ) from error
                continue
            if member.issym():
                os.symlink(member.linkname, full)
            elif member.isfile():
                _write(archive, member, full)
                copier.on_file(member.size)
            elif member.isfifo() or member.ischr() or member.isblk():
                kind = stat.S_IFIFO if member.isfifo() else stat.S_IFCHR if member.ischr() else stat.S_IFBLK
                make_special(full, kind, os.makedev(member.devmajor, member.devminor), shown(member.name))
            else:
                continue
            _finish(full, member, owner)
            copier.copied.files += 1
            copier.copied.size_bytes += member.size
    except (tarfile.TarError, EOFError) as error:
        raise Corrupt(text("archive `{path}`: {problem}", path=archive.name or "", problem=error)) from error
    except OSError as error:
        if error.errno not in NAMES or member is None:
            raise
        problem = f"`{shown(member.name[:300])}`: {error.strerror}"
        raise Corrupt(text("archive `{path}`: {problem}", path=archive.name or "", problem=problem)) from error
    for target, member in reversed(folders):
        _finish(copier.tree.absolute(target), member, owner)


def _target(copier: Copier, root: str, name: str) -> str:
    """Where a member goes: links on the way are followed inside the tree, the last component is taken as it is."""
    folder, _, last = name.rpartition("/")
    above = copier.tree.resolve(f"{root}/{folder}")
    return f"{above}/{last}" if above else last


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, full: str) -> None:
    source = archive.extractfile(member)
    assert source is not None
    with open(full, "xb") as made:
        while True:
            data = source.read(1 << 20)
            if not data:
                break
            made.write(data)


def _finish(full: str, member: tarfile.TarInfo, owner: tuple[int, int] | None) -> None:
    os.chown(full, *(owner or (member.uid, member.gid)), follow_symlinks=False)
    if not member.issym():
        os.chmod(full, member.mode & 0o7777)
    mtime_ns = int(member.mtime * 10**9)
    os.utime(full, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
