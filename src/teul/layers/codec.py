"""Compressing and decompressing layers. Must not know tar.

Compressed bytes are the same on every machine: level and block size are pinned, the header carries no time, and the
output does not depend on how many threads made it. (They are the same for one version of zlib and of zstd; an image
digest does not depend on them, a manifest digest does.)
"""

from __future__ import annotations

import zlib

from teul.errors import MalformedLayer, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor
    from typing import Any

    from teul.layers.stream import Source

GZIP_LEVEL = 6
ZSTD_LEVEL = 3
GZIP_BLOCK_BYTES = 1 << 20
_DICTIONARY_BYTES = 1 << 15
WINDOW_LIMIT_BYTES = 1 << 27
"""The most memory that a zstd frame may ask of us (128 MB, what `zstd --long` writes)."""
_READ_BYTES = 1 << 18


class Compressor:
    """Takes a layer's bytes, hands compressed ones to the `write` it was made with. Use as a context manager: leaving
    the block without an error finishes the stream.
    """

    def write(self, data: bytes) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Write what is left. Idempotent."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of threads, finished or not."""

    def __enter__(self) -> Compressor:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.close()


def compress(name: str, write: Callable[[bytes], object], *, threads: int = 0) -> Compressor:
    """A compressor of codec *name*: "gzip", "zstd" or "" (bytes go through as they are).

    Args:
        write: takes the compressed pieces, in this thread.
        threads: 0 means one for each processor; the bytes do not depend on it.
    """
    if not threads:
        import os

        threads = len(os.sched_getaffinity(0))
    if name == "gzip":
        return _Gzip(write, threads)
    if name == "zstd":
        return _Zstd(write, threads)
    if name == "":
        return _Plain(write)
    raise ValueError(name)


class _Plain(Compressor):
    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def write(self, data: bytes) -> None:
        self._write(data)

    def finish(self) -> None:
        pass


class _Zstd(Compressor):
    def __init__(self, write: Callable[[bytes], object], threads: int) -> None:
        import zstandard

        self._write = write
        # Never 0 threads: zstd's single-threaded mode cuts blocks elsewhere than its multi-threaded one, whose output
        # does not depend on the count.
        self._zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL, threads=max(1, threads), write_checksum=True)
        self._stream: Any = self._zstd.compressobj()
        self._is_open = True

    def write(self, data: bytes) -> None:
        made = self._stream.compress(data)
        if made:
            self._write(made)

    def finish(self) -> None:
        if self._is_open:
            self._is_open = False
            made = self._stream.flush()
            if made:
                self._write(made)


class _Gzip(Compressor):
    """One gzip member made of deflate blocks of 1 MiB, each compressed on its own with the 32 KiB before it as a
    dictionary (as pigz does), so that several threads share the work.

    Spec: RFC 1952; RFC 1951 for the empty stored block that ends each piece at a byte.
    """

    def __init__(self, write: Callable[[bytes], object], threads: int) -> None:
        self._write = write
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._queue: list[Future[bytes]] = []
        self._pending = bytearray()
        self._dictionary = b""
        self._sum = 0
        self._size = 0
        self._is_open = True
        # No time, "unknown" operating system: nothing of the machine.
        write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")

    def write(self, data: bytes) -> None:
        self._sum = zlib.crc32(data, self._sum)
        self._size += len(data)
        self._pending += data
        while len(self._pending) > GZIP_BLOCK_BYTES:
            block = bytes(self._pending[:GZIP_BLOCK_BYTES])
            del self._pending[:GZIP_BLOCK_BYTES]
            self._block(block, is_last=False)

    def finish(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._block(bytes(self._pending), is_last=True)
        while self._queue:
            self._write(self._queue.pop(0).result())
        self._write(self._sum.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little"))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _block(self, block: bytes, *, is_last: bool) -> None:
        dictionary, self._dictionary = self._dictionary, block[-_DICTIONARY_BYTES:]
        if is_last and self._pool is None:
            self._write(_deflate(block, dictionary, is_last=True))
            return
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="teul-gzip")
        self._queue.append(self._pool.submit(_deflate, block, dictionary, is_last=is_last))
        while len(self._queue) > 2 * self._threads or (self._queue and self._queue[0].done()):
            self._write(self._queue.pop(0).result())


def _deflate(block: bytes, dictionary: bytes, *, is_last: bool) -> bytes:
    stream = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, dictionary)
    return stream.compress(block) + stream.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)


class Decoded:
    """A layer's uncompressed bytes as a stream."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to *size* bytes (at least one before the end); all of them when negative."""
        raise NotImplementedError

    def close(self) -> None: ...

    def __enter__(self) -> Decoded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_decoded(stream: Source, media_type: str = "") -> Decoded:
    """Decompress *stream* as it is read, in bounded memory; several members or frames in a row are one stream.

    What it is compressed with is seen from its first bytes, since registries have layers whose *media_type* lies;
    *media_type* is only used to refuse what no engine reads.

    Raises (while reading):
        MalformedLayer: damaged, cut short, or asking for more memory than 128 MB.
    """
    if media_type.endswith(("+encrypted", "+xz", "+bzip2")):
        raise MalformedLayer(text("media type `{media_type}` is not supported", media_type=media_type))
    head = b""
    while len(head) < 512 and (piece := stream.read(_READ_BYTES)):
        head += piece
    source = _Prefixed(head, stream)
    if head[257:262] == b"ustar":
        return _PlainDecoded(source)  # its first name may begin with any bytes, also with those of a codec
    if head[:2] == b"\x1f\x8b":
        return _GzipDecoded(source)
    if head[:4] == b"\x28\xb5\x2f\xfd" or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        return _ZstdDecoded(source)
    return _PlainDecoded(source)


class _Prefixed:
    """*head*, then the stream it was read from."""

    def __init__(self, head: bytes, stream: Source) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            piece = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(piece) :]
            return piece
        return self._stream.read(size)


class _PlainDecoded(Decoded):
    def __init__(self, source: _Prefixed) -> None:
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return _all(self)
        return self._source.read(size)


class _GzipDecoded(Decoded):
    def __init__(self, source: _Prefixed) -> None:
        from teul import inflate

        self._inflate = inflate
        self._source = source
        self._input = source.read(_READ_BYTES)
        self._stream = inflate.gzip_member(self._input)

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return _all(self)
        try:
            while size:
                if self._stream.eof:
                    # Zeros may follow the last member (gzip's manual, "Advanced usage").
                    self._input = self._stream.unused_data.lstrip(b"\0")
                    while not self._input and (piece := self._source.read(_READ_BYTES)):
                        self._input = piece.lstrip(b"\0")
                    if not self._input:
                        return b""
                    self._stream = self._inflate.gzip_member(self._input)
                given = self._stream.unconsumed_tail or self._input or self._source.read(_READ_BYTES)
                self._input = b""
                made: bytes = self._stream.decompress(given, size)  # of nothing, too: it may hold some of the input
                if made:
                    return made
                if not given and not self._stream.eof:
                    raise MalformedLayer(text("unexpected end of the compressed stream"))
        except self._inflate.ERRORS as error:
            raise MalformedLayer(text("damaged gzip stream ({reason})", reason=error)) from error
        return b""


class _ZstdDecoded(Decoded):
    def __init__(self, source: _Prefixed) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._frames = _Frames(source)
        decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT_BYTES)
        self._reader = decompressor.stream_reader(self._frames, read_across_frames=True)  # type: ignore[arg-type]

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return _all(self)
        try:
            made = self._reader.read(size)
        except self._error as error:
            raise MalformedLayer(text("damaged zstd stream ({reason})", reason=error)) from error
        if not made and size and not self._frames.is_at_border:
            raise MalformedLayer(text("unexpected end of the compressed stream"))
        return made


class _Frames:
    """Hands a stream on and follows its frames and blocks, because the decompressor takes a stream that was cut
    short for one that ended.

    Spec: RFC 8878, sections 3.1.1 and 3.1.2.
    """

    def __init__(self, source: _Prefixed) -> None:
        self._source = source
        self._skip = 0
        self._header = b""
        self._wanted = 4
        self._state = "magic"
        self._has_checksum = False
        self._is_lost = False

    @property
    def is_at_border(self) -> bool:
        """Between two frames (or where the decompressor complained anyway)."""
        return self._is_lost or (self._state == "magic" and not self._header and not self._skip)

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(_READ_BYTES if size < 0 else size)
        if not self._is_lost:
            self._follow(piece)
        return piece

    def _follow(self, piece: bytes) -> None:
        position = 0
        while position < len(piece):
            if self._skip:
                step = min(self._skip, len(piece) - position)
                self._skip -= step
                position += step
                continue
            part = piece[position : position + self._wanted - len(self._header)]
            self._header += part
            position += len(part)
            if len(self._header) == self._wanted:
                header, self._header = self._header, b""
                self._next(header)

    def _next(self, header: bytes) -> None:
        if self._state == "magic":
            if header == b"\x28\xb5\x2f\xfd":
                self._state, self._wanted = "descriptor", 1
            elif header[1:] == b"\x2a\x4d\x18" and header[0] & 0xF0 == 0x50:
                self._state, self._wanted = "skippable", 4
            else:
                self._is_lost = True
        elif self._state == "skippable":
            self._skip = int.from_bytes(header, "little")
            self._state, self._wanted = "magic", 4
        elif self._state == "descriptor":
            flags = header[0]
            is_single = bool(flags & 0x20)
            self._has_checksum = bool(flags & 4)
            self._skip = (
                (0 if is_single else 1) + (0, 1, 2, 4)[flags & 3] + ((1 if is_single else 0), 2, 4, 8)[flags >> 6]
            )
            self._state, self._wanted = "block", 3
        else:
            block = int.from_bytes(header, "little")
            self._skip = 1 if block >> 1 & 3 == 1 else block >> 3
            if block & 1:
                self._skip += 4 if self._has_checksum else 0
                self._state, self._wanted = "magic", 4


def _all(decoded: Decoded) -> bytes:
    pieces = []
    while piece := decoded.read(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)
