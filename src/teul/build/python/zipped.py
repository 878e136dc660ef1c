"""The bytes of a zip file's member, by the fastest decompressor there is. Must not know what a wheel is.

`zipfile` finds the member and checks its header; a deflated one is then taken from it as it is stored and inflated
here, because half of the time that a large wheel takes to unpack is the standard library's zlib.

Spec: PKWARE APPNOTE 6.3, "Overall .ZIP file format".
"""

from __future__ import annotations

import copy
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile

from teul.inflate import ERRORS, RAW, crc32, decompressobj

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from zipfile import ZipFile, ZipInfo

PIECE_BYTES = 1 << 20
DAMAGED: tuple[type[Exception], ...] = (
    BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    UnicodeDecodeError,
    *ERRORS,
)
"""What reading a damaged or unusual archive raises."""


def pieces(archive: ZipFile, info: ZipInfo) -> Iterator[bytes]:
    """The content of the member *info* of *archive*, in order, at most `PIECE_BYTES` at once.

    Raises:
        one of `DAMAGED`: too short, too long, another checksum, encrypted, …
    """
    if info.compress_type != ZIP_DEFLATED:
        with archive.open(info) as source:
            while piece := source.read(PIECE_BYTES):
                yield piece
        return
    stored = copy.copy(info)
    stored.compress_type = ZIP_STORED
    stored.file_size = info.compress_size
    del stored.CRC  # of what comes out below, not of what is stored
    left, checksum = info.file_size, 0
    stream = decompressobj(RAW)
    with archive.open(stored) as source:
        while left:
            given = stream.unconsumed_tail or source.read(PIECE_BYTES)
            piece = stream.decompress(given, min(left, PIECE_BYTES))
            if not piece and not given:
                raise BadZipFile(f"{info.filename!r} is cut short")
            checksum = crc32(piece, checksum)
            left -= len(piece)
            if piece:
                yield piece
    if checksum != info.CRC:
        raise BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
