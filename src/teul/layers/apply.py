"""`apply`: one layer's tar → a folder in overlay's format, independently of the layers below it.

Hostile tars are expected. Every name is walked from the root folder one component at a time, never following a link
in the kernel (`O_NOFOLLOW` on descriptors); links among the parents are resolved here, inside the root, as an engine
that applies layers onto one tree would find them. So nothing lands outside, whatever the tar says, and no check can
be raced.

Notes on meaning, where a layer by itself must give what the merged tree gives:

1. A whiteout hides what is below, not what the same layer has (image-spec layer.md, "Whiteouts"). Beside an own folder
   it makes that folder opaque; beside an own file it says nothing.
2. A folder that takes the place of an own file, link or whiteout is opaque: in the merged tree, what stood there
   before had already hidden the folder below.
3. A parent that has no entry of its own is looked up below: a folder gives its mode and owner, a link is followed.
   Whatever the answer was, the layer then holds only on those below: it does not *stand alone*.
4. A hard link to a file that only the layers below have copies it up first. Such a layer does not stand alone either.
5. Overlay shows the whiteouts of a folder that only one layer has, as names that cannot be opened. So none is made for
   what the layers below do not have (the layer then holds only on those), nor inside an opaque folder.
6. A character device 0/0 would be a whiteout that the tar's readers elsewhere do not see. It is refused.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from teul.errors import MalformedLayer, UnsafePath, text
from teul.host.fs import remove_tree, write_all
from teul.layers.attributes import copied_attributes, set_attribute
from teul.layers.descent import Descent, clean, shown
from teul.layers.lower import Lower, is_whiteout
from teul.layers.pack import OPAQUE, OPAQUE_ATTRIBUTES, WHITEOUT
from teul.layers.stream import HashingInput
from teul.layers.tar import (
    BLOCK,
    CHARACTER,
    FIFO,
    FILE,
    FOLDER,
    LINK,
    SYMLINK,
    Entry,
    read_entry,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teul.layers.recipe import RecipeWriter
    from teul.layers.stream import Source
    from teul.oci.digest import Digest

_AT = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What the kernel says when a tar asks for the impossible: EPERM is a mark that this filesystem cannot make.
_REFUSALS = frozenset({1, 2, 17, 20, 21, 22, 27, 31, 36, 39, 40})


@dataclass(frozen=True, slots=True)
class Applied:
    """What went in: the tar's digest and size (bytes), the sum of the files' sizes (bytes), inodes made; and whether
    the folder means the same on top of any other layers (its whiteouts apart, of which there are some).
    """

    diff_id: Digest
    tar_size_bytes: int
    size_bytes: int
    inodes: int
    stands_alone: bool
    whiteouts: int = 0


def apply(
    stream: Source,
    folder: str,
    *,
    lower: Sequence[str] | None = None,
    recipe: RecipeWriter | None = None,
    aside: str = "",
    device_marks: bool = True,
) -> Applied:
    """Extract one layer into *folder*, which exists and is empty. Not atomic, not flushed: on error remove the folder.

    Args:
        stream: uncompressed tar, at byte 0; read to its end, not closed.
        folder: ends up in overlay's format.
        lower: the folders of the layers below, bottom first; only looked into, see notes 3, 4 and 5. None: not known,
            and the layer is extracted as it stands.
        recipe: gets what `replay` needs to give the same tar again; it is not finished here.
        aside: a folder (exists, empty, same filesystem) for payloads that a later member of the tar replaces; needed
            with *recipe*.
        device_marks: whiteouts are character devices 0/0 and opaque folders have overlay's attribute; otherwise both
            are kept as the `.wh.` files of the tar.

    Raises:
        UnsafePath: a member or a link would land outside *folder*.
        MalformedLayer: a bad tar, a bare `.wh.` entry, a parent that is a file.

    Spec: image-spec v1.1 layer.md, "Applying Changesets".
    """
    source = HashingInput(stream)
    applier = _Applier(folder, lower, recipe, aside, device_marks)
    try:
        _members(source, applier, recipe)
        applier.finish()
        return Applied(
            source.finish(),
            source.offset,
            applier.size_bytes,
            applier.inodes,
            applier.stands_alone,
            applier.whiteouts,
        )
    finally:
        source.finish()
        applier.close()


def _members(source: HashingInput, applier: _Applier, recipe: RecipeWriter | None) -> None:
    take: Callable[[int], bytes] = source.take
    if recipe is not None:
        raw = recipe.raw

        def take_raw(count: int) -> bytes:
            data = source.take(count)
            raw(data)
            return data

        take = take_raw
    while (entry := read_entry(take)) is not None:
        try:
            is_kept = applier.member(entry, source)
        except OSError as error:
            if error.errno in _REFUSALS:
                raise MalformedLayer(
                    text("`{path}`: {reason}", path=entry.path.decode(errors="replace"), reason=error.strerror)
                ) from error
            raise
        if not is_kept and entry.stored_bytes:
            source.pour(entry.stored_bytes, recipe.raw if recipe is not None else _drop)
        padding = -entry.stored_bytes % BLOCK
        if padding and len(take(padding)) < padding:
            raise MalformedLayer(text("unexpected end within a file"))
    source.rest(recipe.raw if recipe is not None else _drop)


def _drop(_: memoryview) -> None:
    pass


class _Applier:
    def __init__(
        self, folder: str, lower: Sequence[str] | None, recipe: RecipeWriter | None, aside: str, device_marks: bool
    ) -> None:
        self._lower = Lower(lower or ())
        self._knows_lower = lower is not None
        self._place = Descent(folder, self._lower, self._implied)
        self._recipe = recipe
        self._aside = aside
        self._device_marks = device_marks
        self._folders: dict[bytes, Entry] = {}
        """Folders whose mode, owner and time are set at the end: what is made in them changes the time."""
        self._payloads: dict[bytes, int] = {}
        self._implied_folders: set[bytes] = set()
        self._opaque: set[bytes] = set()
        self._whiteouts: set[bytes] = set()
        self._depends = False
        self.whiteouts = 0
        self.size_bytes = 0
        self.inodes = 0

    @property
    def stands_alone(self) -> bool:
        return not (self._depends or self._implied_folders or self._place.followed_lower)

    def close(self) -> None:
        self._place.close()

    def member(self, entry: Entry, source: HashingInput) -> bool:
        """Make one member; True when its payload was read from *source*."""
        path = clean(entry.path)
        if not path:
            if entry.kind != FOLDER:
                raise UnsafePath(shown(entry.path), text("the root can only be a folder"))
            self._folders[b""] = entry
            return False
        parent, _, name = path.rpartition(b"/")
        if b".wh." in path:
            if any(part.startswith(WHITEOUT) for part in parent.split(b"/")):
                if any(part.startswith(b".wh..wh.") for part in parent.split(b"/")):
                    return False  # AUFS kept its own files there
                raise MalformedLayer(text("`{path}`: names with `.wh.` are reserved", path=shown(path)))
            if name.startswith(WHITEOUT):
                self._mark(parent, name)
                return False
        self._place.enter(parent)
        if entry.kind == FOLDER:
            self._folder(name, entry)
            return False
        if entry.kind == LINK:
            self._link(name, entry)
            return False
        self.inodes += 1
        if entry.kind == FILE:
            self._file(name, entry, source)
            return True
        at = self._place.at
        if entry.kind == SYMLINK:
            self._make(name, lambda: os.symlink(entry.link, name, dir_fd=at))
            os.chown(name, entry.uid, entry.gid, dir_fd=at, follow_symlinks=False)
        else:
            mode = entry.mode
            device = 0
            if entry.kind == FIFO:
                mode |= stat.S_IFIFO
            else:
                mode |= stat.S_IFCHR if entry.kind == CHARACTER else stat.S_IFBLK
                if not (0 <= entry.major < 1 << 12 and 0 <= entry.minor < 1 << 20):
                    raise MalformedLayer(text("`{path}`: device number out of range", path=shown(path)))
                device = os.makedev(entry.major, entry.minor)
                if entry.kind == CHARACTER and not device:
                    raise UnsafePath(shown(path), text("a character device 0/0 is overlay's whiteout"))
            self._make(name, lambda: os.mknod(name, mode, device, dir_fd=at))
            os.chown(name, entry.uid, entry.gid, dir_fd=at, follow_symlinks=False)
            os.chmod(name, entry.mode, dir_fd=at)
        self._attributes(name, entry)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=at, follow_symlinks=False)
        return False

    def finish(self) -> None:
        """Set what folders are like, now that nothing is made in them any more."""
        self._drop_hidden_whiteouts()
        for path, entry in self._folders.items():
            at = self._place.open(path)
            try:
                descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
            finally:
                os.close(at)
            try:
                os.fchown(descriptor, entry.uid, entry.gid)
                os.fchmod(descriptor, entry.mode)
                for key, value in entry.xattrs.items():
                    set_attribute(descriptor, key, value)
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            finally:
                os.close(descriptor)
        self.inodes += len(self._folders)

    def _implied(self, at: int, name: bytes, path: bytes, is_opaque: bool) -> None:
        """Make a folder that has no entry (yet)."""
        if is_opaque:
            os.unlink(name, dir_fd=at)
        entry = Entry()
        entry.mode = 0o755
        below = None if is_opaque else self._lower.find(path)
        if below is not None and stat.S_ISDIR(below[1].st_mode):
            entry.mode = stat.S_IMODE(below[1].st_mode)
            entry.uid, entry.gid = below[1].st_uid, below[1].st_gid
            entry.mtime_ns = below[1].st_mtime_ns
            entry.xattrs = copied_attributes(below[0])
        os.mkdir(name, 0o700, dir_fd=at)
        if is_opaque:
            self._set_opaque(at, name, path)
        else:
            self._implied_folders.add(path)
        self._folders[path] = entry

    # Making things

    def _make(self, name: bytes, make: Callable[[], object]) -> None:
        """Call *make*, which fails when *name* exists; then take away what is there and call it again."""
        try:
            make()
        except FileExistsError:
            self._clear(name)
            make()

    def _clear(self, name: bytes) -> None:
        """Remove what an earlier member made at *name* in the current folder."""
        status = os.stat(name, dir_fd=self._place.at, follow_symlinks=False)
        path = self._place.path(name)
        if not stat.S_ISDIR(status.st_mode):
            self._save(self._place.at, name, path)
            os.unlink(name, dir_fd=self._place.at)
            self.inodes -= 1
            return
        inside = path + b"/"
        for saved in [known for known in self._payloads if known.startswith(inside)]:
            place, _, file = saved.rpartition(b"/")
            at = self._place.open(place)
            try:
                self._save(at, file, saved)
            finally:
                os.close(at)
        for known in [known for known in self._folders if known == path or known.startswith(inside)]:
            del self._folders[known]
            self._implied_folders.discard(known)
            self._opaque.discard(known)
        remove_tree(f"/proc/self/fd/{self._place.at}/{os.fsdecode(name)}")

    def _save(self, at: int, name: bytes, path: bytes) -> None:
        """Set aside the file whose bytes the recipe needs, before its name goes to another."""
        number = self._payloads.pop(path, None)
        if number is not None and self._recipe is not None:
            os.rename(name, os.fsencode(f"{self._aside}/{number}"), src_dir_fd=at)
            os.close(os.open(name, _NEW, 0o600, dir_fd=at))
            self._recipe.moved(number, str(number))

    def _folder(self, name: bytes, entry: Entry) -> None:
        path = self._place.path(name)
        try:
            os.mkdir(name, 0o700, dir_fd=self._place.at)
        except FileExistsError:
            status = os.stat(name, dir_fd=self._place.at, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                self._clear(name)
                os.mkdir(name, 0o700, dir_fd=self._place.at)
                self._set_opaque(self._place.at, name, path)
        self._implied_folders.discard(path)
        self._folders.pop(path, None)
        self._folders[path] = entry

    def _file(self, name: bytes, entry: Entry, source: HashingInput) -> None:
        at = self._place.at
        try:
            descriptor = os.open(name, _NEW, 0o600, dir_fd=at)
        except FileExistsError:
            self._clear(name)
            descriptor = os.open(name, _NEW, 0o600, dir_fd=at)
        try:
            pieces = entry.sparse if entry.sparse is not None else [(0, entry.stored_bytes)]
            for offset, length in pieces:
                if offset:
                    os.lseek(descriptor, offset, os.SEEK_SET)
                if length:
                    source.pour(length, lambda piece: write_all(descriptor, piece))
            if entry.sparse is not None:
                os.ftruncate(descriptor, entry.size_bytes)
            os.fchown(descriptor, entry.uid, entry.gid)
            os.fchmod(descriptor, entry.mode)
            for key, value in entry.xattrs.items():
                set_attribute(descriptor, key, value)
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(descriptor)
        self.size_bytes += entry.stored_bytes
        if self._recipe is not None and entry.stored_bytes:
            path = self._place.path(name)
            self._payloads[path] = self._recipe.file(path, [piece for piece in pieces if piece[1]])

    def _link(self, name: bytes, entry: Entry) -> None:
        target = clean(entry.link)
        parent, _, file = target.rpartition(b"/")
        if not target:
            raise MalformedLayer(text("`{path}`: a hard link to a folder", path=shown(entry.path)))
        with self._place.elsewhere() as (_, here):
            is_here = self._place.resolve(parent, make=False)
            if is_here and self._place.path(file) == (here + b"/" + name if here else name):
                raise MalformedLayer(text("`{path}`: a hard link to itself", path=shown(entry.path)))
            try:
                status = os.stat(file, dir_fd=self._place.at, follow_symlinks=False) if is_here else None
            except FileNotFoundError:
                status = None
            if status is None:
                self._copy_up(parent, file, entry)
            elif stat.S_ISDIR(status.st_mode) or is_whiteout(status):
                raise MalformedLayer(text("`{path}`: a hard link to a folder", path=shown(entry.path)))
            from_at = os.dup(self._place.at)
        try:
            at = self._place.at
            self._make(name, lambda: os.link(file, name, src_dir_fd=from_at, dst_dir_fd=at, follow_symlinks=False))
        finally:
            os.close(from_at)

    def _copy_up(self, parent: bytes, file: bytes, entry: Entry) -> None:
        """Copy a file of the layers below, so that a hard link to it can be made; the current folder is its own then."""
        self._place.resolve(parent, make=True)
        found = self._lower.find(self._place.path(file))
        if found is None or stat.S_ISDIR(found[1].st_mode):
            raise MalformedLayer(
                text(
                    "`{path}`: hard link to `{target}`, which does not exist",
                    path=shown(entry.path),
                    target=shown(entry.link),
                )
            )
        full, status = found
        self._depends = True
        copied = Entry()
        copied.mode, copied.uid, copied.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
        copied.mtime_ns = status.st_mtime_ns
        copied.xattrs = copied_attributes(full)
        at = self._place.at
        if stat.S_ISREG(status.st_mode):
            reader = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                writer = os.open(file, _NEW, 0o600, dir_fd=at)
                try:
                    while os.copy_file_range(reader, writer, 1 << 30):
                        pass
                finally:
                    os.close(writer)
            finally:
                os.close(reader)
            self.size_bytes += status.st_size
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(full), file, dir_fd=at)
        else:
            os.mknod(file, status.st_mode, status.st_rdev, dir_fd=at)
        self.inodes += 1
        os.chown(file, copied.uid, copied.gid, dir_fd=at, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(file, copied.mode, dir_fd=at)
        self._attributes(file, copied)
        os.utime(file, ns=(copied.mtime_ns, copied.mtime_ns), dir_fd=at, follow_symlinks=False)

    def _mark(self, parent: bytes, name: bytes) -> None:
        if name.startswith(b".wh..wh.") and name != OPAQUE:
            return  # AUFS's own files mean nothing to others
        hidden = name[len(WHITEOUT) :]
        if not hidden or hidden in (b".", b".."):
            raise MalformedLayer(text("`{path}`: a whiteout without a name", path=shown(parent + b"/" + name)))
        self._place.enter(parent)
        if name == OPAQUE:
            # The folder itself is meant: its descriptor has a name only through /proc.
            self._set_opaque(self._place.at, b".", self._place.here)
            return
        try:
            status = os.stat(hidden, dir_fd=self._place.at, follow_symlinks=False)
        except FileNotFoundError:
            path = self._place.path(hidden)
            if self._knows_lower and self._lower.find(path) is None:
                self._depends = True
                return
            if self._device_marks:
                os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=self._place.at)
                self._whiteouts.add(path)
            else:
                self._mark_file(name)
            self.inodes += 1
            self.whiteouts += 1
            return
        if stat.S_ISDIR(status.st_mode):
            self._set_opaque(self._place.at, hidden, self._place.path(hidden))

    def _drop_hidden_whiteouts(self) -> None:
        for path in self._whiteouts if self._opaque else ():
            parent, _, name = path.rpartition(b"/")
            above = parent
            while above not in self._opaque and above:
                above = above.rpartition(b"/")[0]
            if above not in self._opaque:
                continue
            try:
                at = self._place.open(parent)
            except OSError:
                continue  # a later member took the folder's place
            try:
                if is_whiteout(os.stat(name, dir_fd=at, follow_symlinks=False)):
                    os.unlink(name, dir_fd=at)
                    self.inodes -= 1
            except FileNotFoundError:
                pass
            finally:
                os.close(at)

    def _mark_file(self, name: bytes) -> None:
        try:
            os.close(os.open(name, _NEW, 0o600, dir_fd=self._place.at))
        except FileExistsError:
            pass

    def _set_opaque(self, at: int, name: bytes, path: bytes) -> None:
        self._opaque.add(path)
        if not self._device_marks:
            descriptor = os.open(name, _AT, dir_fd=at)
            try:
                os.close(
                    os.open(OPAQUE, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=descriptor)
                )
            finally:
                os.close(descriptor)
            return
        place = f"/proc/self/fd/{at}/".encode() + name
        try:
            os.setxattr(place, OPAQUE_ATTRIBUTES[0], b"y", follow_symlinks=False)
        except PermissionError:
            os.setxattr(place, OPAQUE_ATTRIBUTES[1], b"y", follow_symlinks=False)

    def _attributes(self, name: bytes, entry: Entry) -> None:
        """Extended attributes of what cannot be opened."""
        place = f"/proc/self/fd/{self._place.at}/".encode() + name
        for key, value in entry.xattrs.items():
            set_attribute(place, key, value)
