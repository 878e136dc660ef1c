"""What a content store promises (see the package's docstring for the life of a blob). No implementation here."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import dataclass
    from types import TracebackType
    from typing import BinaryIO, Protocol

    from teul.oci.digest import Digest
else:
    from teul.values import dataclass

    Protocol = object


@dataclass(frozen=True, slots=True)
class Info:
    digest: Digest
    size_bytes: int


class Writer(Protocol):
    """A write in flight; leaving the `with` block without `commit` keeps it only when it has a key (for resuming)."""

    @property
    def offset(self) -> int:
        """Bytes already there: 0 for a new ingest, more for one that goes on."""

    def write(self, data: bytes | memoryview) -> int: ...

    def restart(self) -> None:
        """Throw away what is there (the other side cannot resume)."""

    def commit(self) -> Info:
        """Make it visible.

        Raises:
            SizeMismatch: not the expected size; the ingest is removed.
            DigestMismatch: not the expected digest; the ingest is removed.
        """

    def __enter__(self) -> Writer: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Reader(Protocol):
    """A verified stream, from byte 0 to the end."""

    def read(self, size: int = -1, /) -> bytes:
        """Raises: DigestMismatch at the end, when the bytes were not those of the digest."""

    def close(self) -> None: ...
    def __enter__(self) -> Reader: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Store(Protocol):
    """Safe for several processes and threads at once."""

    def ingest(self, *, expected: Digest | None = None, size_bytes: int | None = None, key: str = "") -> Writer:
        """Begin a write. *key* names it, so that a later writer can go on where this one stopped."""

    def put(self, data: bytes) -> Digest:
        """Ingest and commit small content."""

    def has(self, digest: Digest) -> bool: ...

    def info(self, digest: Digest) -> Info:
        """Raises: BlobNotFound."""

    def open(self, digest: Digest) -> Reader:
        """Raises: BlobNotFound."""

    def open_file(self, digest: Digest, *, is_verified: bool = False) -> BinaryIO:
        """The blob as a file that can be read at any place; all of it is verified first, unless the caller has done so.

        Raises:
            BlobNotFound, DigestMismatch.
        """

    def read(self, digest: Digest) -> bytes:
        """All of a small blob, verified. Raises: BlobNotFound, DigestMismatch."""

    def remove(self, digest: Digest) -> None:
        """Idempotent."""

    def walk(self) -> Iterator[Info]: ...

    def used_ns(self, digest: Digest) -> int:
        """When it was committed, or committed again, in the filesystem's time (ns since 1970); 0 when it is not here."""

    def sweep_ingests(self, *, older_than_s: float = 86400.0) -> int:
        """Remove what dead writers left: at once without a key, after *older_than_s* seconds with one (it could be
        resumed). Returns the bytes freed.
        """
