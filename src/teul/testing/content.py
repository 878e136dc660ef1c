"""`MemoryStore`: a content store that touches no disk; passes the contract suite of the real one."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field

from teul.content.protocol import Info
from teul.errors import BlobNotFound, DigestMismatch, SizeMismatch
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import BinaryIO


@dataclass(slots=True)
class _Blob:
    data: bytes
    used_ns: int


@dataclass(slots=True)
class _Ingest:
    data: bytearray = field(default_factory=bytearray)
    written_at: float = 0.0
    is_held: bool = False


class MemoryStore:
    """Blobs in a dictionary; safe for several threads. `damage` is for tests of verified reads."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, _Blob] = {}
        self._ingests: dict[str, _Ingest] = {}
        self._lock = threading.Lock()

    def ingest(self, *, expected: Digest | None = None, size_bytes: int | None = None, key: str = "") -> MemoryWriter:
        with self._lock:
            kept = self._ingests.setdefault(key, _Ingest()) if key else _Ingest()
            if kept.is_held:
                key, kept = "", _Ingest()
            kept.is_held = True
            if size_bytes is not None and len(kept.data) > size_bytes:
                kept.data.clear()
        return MemoryWriter(self, kept, key, expected, size_bytes)

    def put(self, data: bytes) -> Digest:
        digest = Digest.of(data)
        self._add(digest, data)
        return digest

    def has(self, digest: Digest) -> bool:
        return digest in self._blobs

    def info(self, digest: Digest) -> Info:
        return Info(digest, len(self._blob(digest).data))

    def open(self, digest: Digest) -> MemoryReader:
        return MemoryReader(digest, self._blob(digest).data)

    def open_file(self, digest: Digest, *, is_verified: bool = False) -> BinaryIO:
        import io

        return io.BytesIO(self._blob(digest).data if is_verified else self.read(digest))

    def read(self, digest: Digest) -> bytes:
        with self.open(digest) as reader:
            return reader.read()

    def remove(self, digest: Digest) -> None:
        with self._lock:
            self._blobs.pop(digest, None)

    def walk(self) -> Iterator[Info]:
        for digest, blob in list(self._blobs.items()):
            yield Info(digest, len(blob.data))

    def used_ns(self, digest: Digest) -> int:
        found = self._blobs.get(digest)
        return 0 if found is None else found.used_ns

    def sweep_ingests(self, *, older_than_s: float = 86400.0) -> int:
        freed = 0
        with self._lock:
            for key, kept in list(self._ingests.items()):
                if not kept.is_held and time.time() - kept.written_at >= older_than_s:
                    freed += len(kept.data)
                    del self._ingests[key]
        return freed

    def damage(self, digest: Digest, data: bytes) -> None:
        """Replace a blob's bytes behind the store's back."""
        self._blobs[digest].data = data

    def _blob(self, digest: Digest) -> _Blob:
        try:
            return self._blobs[digest]
        except KeyError:
            raise BlobNotFound(digest) from None

    def _add(self, digest: Digest, data: bytes) -> None:
        with self._lock:
            kept = self._blobs.get(digest)
            if kept is None:
                self._blobs[digest] = _Blob(data, time.time_ns())
            else:
                kept.used_ns = time.time_ns()

    def _drop(self, key: str, kept: _Ingest) -> None:
        with self._lock:
            if self._ingests.get(key) is kept:
                del self._ingests[key]


class MemoryWriter:
    """One ingest; see `teul.content.protocol.Writer`."""

    def __init__(
        self, store: MemoryStore, kept: _Ingest, key: str, expected: Digest | None, size_bytes: int | None
    ) -> None:
        self._store = store
        self._kept = kept
        self._key = key
        self._expected = expected
        self._size_bytes = size_bytes
        self._is_open = True

    @property
    def offset(self) -> int:
        return len(self._kept.data)

    def write(self, data: bytes | memoryview) -> int:
        self._kept.data += data
        return len(data)

    def restart(self) -> None:
        self._kept.data.clear()

    def commit(self) -> Info:
        data = bytes(self._kept.data)
        digest = Digest.from_hex(hashlib.sha256(data).hexdigest())
        self._end(is_kept=False)
        if self._size_bytes is not None and len(data) != self._size_bytes:
            raise SizeMismatch(self._expected or digest, self._size_bytes, len(data))
        if self._expected is not None and digest != self._expected:
            raise DigestMismatch(self._expected, digest)
        self._store._add(digest, data)
        return Info(digest, len(data))

    def __enter__(self) -> MemoryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_open:
            self._end(is_kept=bool(self._key) and bool(self._kept.data))

    def _end(self, *, is_kept: bool) -> None:
        self._is_open = False
        self._kept.is_held = False
        self._kept.written_at = time.time()
        if not is_kept:
            self._store._drop(self._key, self._kept)


class MemoryReader:
    """A verified stream, from byte 0 to the end."""

    def __init__(self, digest: Digest, data: bytes) -> None:
        self._digest = digest
        self._data = data
        self._position = 0

    def read(self, size: int = -1, /) -> bytes:
        end = len(self._data) if size < 0 else self._position + size
        piece = self._data[self._position : end]
        self._position += len(piece)
        if size < 0 or (size and not piece):
            actual = Digest.of(self._data)
            if actual != self._digest:
                raise DigestMismatch(self._digest, actual)
        return piece

    def close(self) -> None:
        pass

    def __enter__(self) -> MemoryReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
