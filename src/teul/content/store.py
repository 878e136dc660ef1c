"""`LocalStore`: an OCI image layout on disk. Must not know what the blobs mean, nor use the database.

Ingest → fsync → size → digest → rename → fsync folder. A half-written file is never under `blobs/`.
Every ingest file is locked while its writer lives, so gc can tell what a dead one left.

Spec: image-spec v1.1 image-layout.md.
"""

from __future__ import annotations

import os
import time

from teul.content.protocol import Info
from teul.errors import BlobNotFound, DigestMismatch, SizeMismatch
from teul.host.fs import FolderLock, crash_point, fsync_folder, remove_file, write_all, write_atomic
from teul.oci.digest import Digest, new_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import BinaryIO

READ_BYTES = 1 << 20
LARGE_BYTES = 1 << 30
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


class LocalStore:
    """Blobs below `<root>/blobs/sha256`; safe for several processes and threads at once."""

    def __init__(self, root: str, *, before_commit: Callable[[Digest], object] | None = None) -> None:
        """*before_commit* gets each digest before it is looked up as present, so that gc may be told of it first."""
        self.root = root
        self._before_commit = before_commit
        self._blobs = f"{root}/blobs/sha256"
        self._ingest = f"{root}/ingest"

    def ingest(self, *, expected: Digest | None = None, size_bytes: int | None = None, key: str = "") -> LocalWriter:
        """Begin a write. *key* names it, so that a later writer can go on where this one stopped.

        When another living writer holds the same key, this one starts afresh beside it; the first commit wins.
        """
        self.make()
        lock = None
        path = ""
        if key:
            path = f"{self._ingest}/{Digest.of(key.encode()).hex[:32]}"
            lock = _lock_file(path)
        while lock is None:
            path = f"{self._ingest}/.{os.urandom(12).hex()}"
            lock = _lock_file(path)
            key = ""
        crash_point("ingest-open")
        return LocalWriter(self, path, lock, expected=expected, size_bytes=size_bytes, is_kept=bool(key))

    def put(self, data: bytes) -> Digest:
        """Ingest and commit small content; content that is here already is not written again."""
        digest = Digest.of(data)
        self._announce(digest)
        if self._touch(digest):
            return digest
        with self.ingest(expected=digest, size_bytes=len(data)) as writer:
            writer.write(data)
            writer.commit()
        return digest

    def has(self, digest: Digest) -> bool:
        return os.path.exists(self._path(digest))

    def info(self, digest: Digest) -> Info:
        """Raises: BlobNotFound."""
        try:
            return Info(digest, os.stat(self._path(digest)).st_size)
        except FileNotFoundError:
            raise BlobNotFound(digest) from None

    def open(self, digest: Digest) -> LocalReader:
        """Raises: BlobNotFound."""
        try:
            descriptor = os.open(self._path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobNotFound(digest) from None
        return LocalReader(digest, descriptor)

    def open_file(self, digest: Digest, *, is_verified: bool = False) -> BinaryIO:
        """The blob as a file that can be read at any place; all of it is verified first, unless the caller has done so.

        Raises:
            BlobNotFound, DigestMismatch.
        """
        if not is_verified:
            with self.open(digest) as reader:
                while reader.read(READ_BYTES):
                    pass
        try:
            return open(self._path(digest), "rb")
        except FileNotFoundError:
            raise BlobNotFound(digest) from None

    def read(self, digest: Digest) -> bytes:
        """All of a small blob, verified. Raises: BlobNotFound, DigestMismatch."""
        with self.open(digest) as reader:
            return reader.read()

    def remove(self, digest: Digest) -> None:
        """Idempotent. Whoever has it open reads on."""
        remove_file(self._path(digest))

    def walk(self) -> Iterator[Info]:
        """All blobs, in no order; what vanishes meanwhile is left out, and so is what is not named as a digest."""
        try:
            entries = os.scandir(self._blobs)
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                try:
                    if len(entry.name) == 64:
                        yield Info(Digest.from_hex(entry.name), entry.stat(follow_symlinks=False).st_size)
                except (FileNotFoundError, ValueError):
                    continue

    def used_ns(self, digest: Digest) -> int:
        """When it was committed, or committed again: its ctime, nanoseconds since 1970; 0 when it is not here."""
        try:
            return os.stat(self._path(digest)).st_ctime_ns
        except FileNotFoundError:
            return 0

    def sweep_ingests(self, *, older_than_s: float = 86400.0) -> int:
        """Remove what dead writers left: at once without a key, after *older_than_s* seconds with one (it could be
        resumed). Returns the bytes freed.
        """
        freed = 0
        try:
            names = os.listdir(self._ingest)
        except FileNotFoundError:
            return 0
        for name in names:
            path = f"{self._ingest}/{name}"
            try:
                lock = FolderLock.take(path, wait=False)
            except FileNotFoundError:
                continue
            if lock is None:
                continue
            with lock:
                try:
                    status = os.stat(path)
                except FileNotFoundError:
                    continue
                if name.startswith(".") or time.time() - status.st_mtime >= older_than_s:
                    freed += status.st_blocks * 512
                    remove_file(path)
        return freed

    def _path(self, digest: Digest) -> str:
        return f"{self._blobs}/{digest.hex}"

    def _announce(self, digest: Digest) -> None:
        if self._before_commit is not None:
            self._before_commit(digest)

    def _touch(self, digest: Digest) -> bool:
        """Say that the blob was wanted again just now (gc spares what is younger than a living lease)."""
        try:
            os.utime(self._path(digest))
        except FileNotFoundError:
            return False
        return True

    def make(self) -> None:
        """The folders of the layout; every ingest makes them too."""
        if os.path.exists(f"{self.root}/oci-layout"):
            return
        os.makedirs(self._blobs, mode=0o700, exist_ok=True)
        os.makedirs(self._ingest, mode=0o700, exist_ok=True)
        if not os.path.exists(f"{self.root}/index.json"):
            write_atomic(f"{self.root}/index.json", EMPTY_INDEX)
        for folder in (self._blobs, self._ingest, f"{self.root}/blobs", os.path.dirname(self.root)):
            fsync_folder(folder)
        crash_point("layout-made")
        write_atomic(f"{self.root}/oci-layout", LAYOUT)


def _lock_file(path: str) -> FolderLock | None:
    """Lock the file at *path* (made when missing); None when a living writer holds it."""
    while True:
        lock = FolderLock.take(path, wait=False, make=True)
        if lock is None:
            return None
        # Between our open and our lock its owner may have committed (renamed) it: then we hold a blob, not an ingest.
        try:
            if os.stat(path).st_ino == os.fstat(lock.descriptor).st_ino:
                return lock
        except FileNotFoundError:
            pass
        lock.release()


class LocalWriter:
    """One ingest; see `teul.content.protocol.Writer`."""

    def __init__(
        self,
        store: LocalStore,
        path: str,
        lock: FolderLock,
        *,
        expected: Digest | None,
        size_bytes: int | None,
        is_kept: bool,
    ) -> None:
        self._store = store
        self._path = path
        self._lock = lock
        self._expected = expected
        self._size_bytes = size_bytes
        self._is_kept = is_kept
        self._is_open = True
        self._hash = new_sha256(LARGE_BYTES if size_bytes is None else size_bytes)
        self._offset = 0
        self._resume()

    @property
    def offset(self) -> int:
        """Bytes already there: 0 for a new ingest, more for one that goes on."""
        return self._offset

    def write(self, data: bytes | memoryview) -> int:
        """Append *data*; returns its length. A disk that is full is `OSError` ENOSPC, and nothing becomes visible."""
        write_all(self._lock.descriptor, data)
        self._hash.update(data)
        self._offset += len(data)
        return len(data)

    def restart(self) -> None:
        """Throw away what is there (the other side cannot resume)."""
        os.ftruncate(self._lock.descriptor, 0)
        os.lseek(self._lock.descriptor, 0, os.SEEK_SET)
        self._hash = new_sha256(LARGE_BYTES)
        self._offset = 0

    def commit(self) -> Info:
        """Make it visible.

        Raises:
            SizeMismatch: not the expected size; the ingest is removed.
            DigestMismatch: not the expected digest; the ingest is removed.
        """
        digest = Digest.from_hex(self._hash.hexdigest())
        if self._size_bytes is not None and self._offset != self._size_bytes:
            self._discard()
            raise SizeMismatch(self._expected or digest, self._size_bytes, self._offset)
        if self._expected is not None and digest != self._expected:
            self._discard()
            raise DigestMismatch(self._expected, digest)
        self._store._announce(digest)
        if self._store._touch(digest):
            self._discard()
            return Info(digest, self._offset)
        crash_point("ingest-written")
        os.fchmod(self._lock.descriptor, 0o400)
        os.fsync(self._lock.descriptor)
        crash_point("ingest-flushed")
        os.rename(self._path, self._store._path(digest))
        crash_point("blob-renamed")
        fsync_folder(self._store._blobs)
        self._close()
        crash_point("blob-committed")
        return Info(digest, self._offset)

    def __enter__(self) -> LocalWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_open:
            is_full = isinstance(error, OSError) and error.errno in (28, 122)
            if self._is_kept and self._offset and not is_full:
                self._close()
            else:
                self._discard()

    def _resume(self) -> None:
        """Hash what an earlier writer left; more than the expected size is of no use."""
        descriptor = self._lock.descriptor
        while piece := os.read(descriptor, READ_BYTES):
            self._hash.update(piece)
            self._offset += len(piece)
        if self._size_bytes is not None and self._offset > self._size_bytes:
            self.restart()

    def _discard(self) -> None:
        remove_file(self._path)
        self._close()

    def _close(self) -> None:
        self._is_open = False
        self._lock.release()


class LocalReader:
    """A verified stream, from byte 0 to the end."""

    def __init__(self, digest: Digest, descriptor: int) -> None:
        self._digest = digest
        self._descriptor = descriptor
        self._hash = new_sha256(os.fstat(descriptor).st_size)

    def read(self, size: int = -1, /) -> bytes:
        """Up to *size* bytes, all that is left when negative.

        Raises:
            DigestMismatch: at the end, when the bytes were not those of the digest.
        """
        if size < 0:
            pieces = []
            while piece := self.read(READ_BYTES):
                pieces.append(piece)
            return b"".join(pieces)
        piece = os.read(self._descriptor, size) if size else b""
        if piece:
            self._hash.update(piece)
        elif size:
            actual = Digest.from_hex(self._hash.hexdigest())
            if actual != self._digest:
                raise DigestMismatch(self._digest, actual)
        return piece

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> LocalReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
