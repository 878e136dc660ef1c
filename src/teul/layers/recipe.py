"""A recipe: everything of a tar but the files' bytes, so that folder + recipe give the exact tar again.

A pulled layer's digest is that of a tar which some other tool wrote, in its dialect and order; keeping that tar
beside the unpacked folder would store every layer twice. A recipe of 9,000 files takes some 200 KB.

On disk: one zstd frame of records, then (uncompressed) a JSON object and its length. A record is `R`, a length and
that many bytes to be copied; or `F`, the number of a file, an offset and a length: bytes of that file; the first use
of a number is `N`, which also tells its path. The object at the end tells which files moved aside because a later
member of the same tar took their place. Must not interpret tar.
"""

from __future__ import annotations

import json
import os
import struct

from teul.errors import MalformedLayer, text
from teul.layers.stream import HashingOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from teul.oci.digest import Digest

_RAW = struct.Struct(">cI")
_FILE = struct.Struct(">cIQQ")
_PATH = struct.Struct(">H")
_FOOTER = struct.Struct(">I")
_PENDING_BYTES = 1 << 18


class RecipeWriter:
    """Writes one recipe to *path*; nothing is valid before `finish`."""

    def __init__(self, path: str) -> None:
        import zstandard

        self._file = open(path, "xb", buffering=1 << 16)
        self._zstd = zstandard.ZstdCompressor(level=3).stream_writer(self._file, closefd=False)
        self._raw: list[bytes] = []
        self._raw_bytes = 0
        self._files = 0
        self._moved: dict[int, str] = {}

    def raw(self, data: bytes | memoryview) -> None:
        """Bytes to be copied."""
        self._raw.append(bytes(data))
        self._raw_bytes += len(data)
        if self._raw_bytes >= _PENDING_BYTES:
            self._flush()

    def file(self, path: bytes, pieces: list[tuple[int, int]]) -> int:
        """The payload is those (offset, length) *pieces* of the file at *path* in the folder; returns its number."""
        self._flush()
        number = self._files
        self._files += 1
        for index, (offset, length) in enumerate(pieces):
            if index:
                self._zstd.write(_FILE.pack(b"F", number, offset, length))
            else:
                self._zstd.write(_FILE.pack(b"N", number, offset, length) + _PATH.pack(len(path)) + path)
        return number

    def moved(self, number: int, name: str) -> None:
        """File *number* is now *name* in the folder of what was set aside."""
        self._moved[number] = name

    def finish(self) -> None:
        """Flush to the disk and close."""
        self._flush()
        self._zstd.close()  # type: ignore[no-untyped-call]
        footer = json.dumps({"moved": self._moved}, separators=(",", ":")).encode()
        self._file.write(footer + _FOOTER.pack(len(footer)))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close without finishing. Idempotent, and does nothing after `finish`."""
        if not self._file.closed:
            self._file.close()

    def _flush(self) -> None:
        if self._raw_bytes:
            data = b"".join(self._raw)
            self._zstd.write(_RAW.pack(b"R", len(data)))
            self._zstd.write(data)
            self._raw = []
            self._raw_bytes = 0


def replay(recipe: str, folder: str, aside: str, write: Callable[[bytes], object] | None = None) -> Digest:
    """Stream the tar that *recipe* was made from; returns the digest of what came out.

    Args:
        recipe: the recipe's path.
        folder: the unpacked layer.
        aside: the folder of what was set aside (need not exist when nothing was).
        write: takes the pieces.

    Raises:
        MalformedLayer: the recipe is damaged, or a file is missing or too short.
    """
    import zstandard

    top = os.fsencode(folder)
    output = HashingOutput(write)
    try:
        with open(recipe, "rb") as file:
            moved, end = _read_footer(file.fileno())
            paths: dict[int, bytes] = {}
            reader = zstandard.ZstdDecompressor().stream_reader(_Limited(file, end))  # type: ignore[arg-type]
            opened = -1
            descriptor = -1
            try:
                while kind := reader.read(1):
                    if kind == b"R":
                        (count,) = struct.unpack(">I", _exactly(reader.read, 4))
                        output.put(_exactly(reader.read, count))
                        continue
                    number, offset, length = struct.unpack(">IQQ", _exactly(reader.read, 20))
                    if kind == b"N":
                        (size,) = _PATH.unpack(_exactly(reader.read, 2))
                        paths = {number: _exactly(reader.read, size)}
                    if opened != number:
                        if descriptor >= 0:
                            os.close(descriptor)
                            descriptor = -1
                        place = (
                            os.fsencode(f"{aside}/{moved[number]}") if number in moved else top + b"/" + paths[number]
                        )
                        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
                        opened = number
                    if offset or kind == b"F":
                        os.lseek(descriptor, offset, os.SEEK_SET)
                    if output.copy(descriptor, length) != length:
                        raise MalformedLayer(text("file `{path}` is too short", path=os.fsdecode(paths[number])))
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
    except (zstandard.ZstdError, struct.error, KeyError) as error:
        raise MalformedLayer(text("recipe `{path}` is damaged", path=recipe)) from error
    except OSError as error:
        if error.errno in (2, 20, 40):  # missing, its folder is none, a link in its place
            shown = os.fsdecode(error.filename or recipe)
            raise MalformedLayer(text("file `{path}` is missing", path=shown)) from error
        raise
    finally:
        digest = output.finish()
    return digest


def _read_footer(descriptor: int) -> tuple[dict[int, str], int]:
    size = os.fstat(descriptor).st_size
    (length,) = _FOOTER.unpack(os.pread(descriptor, 4, max(0, size - 4)))
    end = size - 4 - length
    if end < 0:
        raise KeyError("footer")
    try:
        value = json.loads(os.pread(descriptor, length, end))
    except ValueError:
        raise KeyError("footer") from None
    return {int(number): name for number, name in value["moved"].items()}, end


class _Limited:
    """The first *count* bytes of a file."""

    def __init__(self, file: object, count: int) -> None:
        self._read = file.read  # type: ignore[attr-defined]
        self._left = count

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self._read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    piece = read(count)
    if len(piece) == count:
        return piece
    parts = [piece]
    missing = count - len(piece)
    while missing:
        piece = read(missing)
        if not piece:
            raise KeyError("end")
        parts.append(piece)
        missing -= len(piece)
    return b"".join(parts)
