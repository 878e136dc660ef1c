"""Moving bytes while a second thread hashes them (`hashlib` lets go of the interpreter). Knows nothing of tar."""

from __future__ import annotations

import hashlib
import os

from teul.errors import Cancelled, MalformedLayer, text
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue
    from threading import Thread
    from typing import Protocol

    class Source(Protocol):
        """What layers are read from; `read` gives b"" only at the end."""

        def read(self, size: int, /) -> bytes: ...


BUFFER_BYTES = 1 << 20
BUFFERS = 6


class _Hasher:
    """A thread that hashes the buffers it is given, in order, and hands them back."""

    def __init__(self) -> None:
        from queue import SimpleQueue
        from threading import Thread

        self._hash = hashlib.sha256()
        self._todo: SimpleQueue[memoryview | bytes | None] = SimpleQueue()
        self.done: SimpleQueue[memoryview | bytes] = SimpleQueue()
        self._thread: Thread = Thread(target=self._work, name="teul-sha256", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        update, get, put = self._hash.update, self._todo.get, self.done.put
        while (piece := get()) is not None:
            update(piece)
            put(piece)

    def update(self, piece: memoryview | bytes) -> None:
        self._todo.put(piece)

    def finish(self) -> Digest:
        """Wait for the last byte. Idempotent."""
        if self._thread.is_alive():
            self._todo.put(None)
            self._thread.join()
        return Digest.from_hex(self._hash.hexdigest())


class HashingInput:
    """Exact reads from a stream whose every byte is hashed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._hasher = _Hasher()
        self._in_flight = 0
        self._piece = b""
        self._position = 0
        self.offset = 0
        """Bytes handed out."""

    def _more(self) -> bool:
        piece = self._source.read(BUFFER_BYTES)
        if not piece:
            return False
        self._hasher.update(piece)
        self._in_flight += 1
        if self._in_flight > BUFFERS:
            self._hasher.done.get()
            self._in_flight -= 1
        self._piece = piece
        self._position = 0
        return True

    def take(self, count: int) -> bytes:
        """*count* bytes, fewer only at the end of the stream."""
        start = self._position
        piece = self._piece[start : start + count]
        self._position += len(piece)
        if len(piece) < count:
            parts = [piece]
            missing = count - len(piece)
            while missing and self._more():
                part = self._piece[:missing]
                self._position = len(part)
                missing -= len(part)
                parts.append(part)
            piece = b"".join(parts)
        self.offset += len(piece)
        return piece

    def pour(self, count: int, write: Callable[[memoryview], object]) -> None:
        """Hand *count* bytes to *write*, in pieces.

        Raises:
            MalformedLayer: the stream ends before.
        """
        left = count
        while left:
            if self._position >= len(self._piece) and not self._more():
                raise MalformedLayer(text("unexpected end within a file"))
            piece = memoryview(self._piece)[self._position : self._position + left]
            self._position += len(piece)
            left -= len(piece)
            write(piece)
        self.offset += count

    def rest(self, write: Callable[[memoryview], object]) -> None:
        """Hand all that is left to *write*."""
        while self._position < len(self._piece) or self._more():
            piece = memoryview(self._piece)[self._position :]
            self._position += len(piece)
            self.offset += len(piece)
            write(piece)

    def finish(self) -> Digest:
        """The digest of all that was read. Idempotent."""
        return self._hasher.finish()


class HashingOutput:
    """Bytes gathered in large buffers, hashed in a second thread, and handed to *write* (when there is one).

    The buffers are used again: *write* gets `bytes` of its own.
    """

    def __init__(
        self, write: Callable[[bytes], object] | None = None, *, should_stop: Callable[[], bool] | None = None
    ) -> None:
        """*should_stop* is asked with each buffer; what puts bytes in gets `Cancelled` then."""
        self._write = write
        self._should_stop = should_stop
        self._hasher = _Hasher()
        self._buffers = 1
        self._view = memoryview(bytearray(BUFFER_BYTES))
        self._fill = 0
        self.offset = 0
        """Bytes put in."""

    def put(self, data: bytes | memoryview) -> None:
        """Append *data*."""
        self.offset += len(data)
        while data:
            room = BUFFER_BYTES - self._fill
            piece = data[:room]
            self._view[self._fill : self._fill + len(piece)] = piece
            self._fill += len(piece)
            if len(data) < room:
                return
            data = data[room:]
            self._flush()

    def copy(self, descriptor: int, count: int) -> int:
        """Append *count* bytes read from *descriptor* where it stands; returns how many there were."""
        left = count
        while left:
            start = self._fill
            got = os.readv(descriptor, [self._view[start : start + left]])
            if not got:
                break
            left -= got
            self._fill = start + got
            if self._fill == BUFFER_BYTES:
                self._flush()
        self.offset += count - left
        return count - left

    def finish(self) -> Digest:
        """Flush; the digest of all that was put in. Idempotent."""
        if self._fill:
            self._flush()
        return self._hasher.finish()

    def _flush(self) -> None:
        full = self._view[: self._fill]
        if self._should_stop is not None and self._should_stop():
            self._fill = 0
            raise Cancelled(text("cancelled"))
        self._hasher.update(full)
        if self._write is not None:
            self._write(bytes(full))
        self._fill = 0
        if self._buffers < BUFFERS:
            self._buffers += 1
            self._view = memoryview(bytearray(BUFFER_BYTES))
        else:
            self._view = memoryview(self._hasher.done.get().obj)  # type: ignore[union-attr]
