"""Decompression of deflate streams, by ISA-L where the machine has it: about twice as fast as zlib, to the same bytes.

Reading only. What teul compresses is compressed by zlib, whose output is part of an image's digest.

Spec: RFC 1951 (deflate), RFC 1952 (gzip), `zlib.decompressobj` for the interface.
"""

from __future__ import annotations

import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from zlib import crc32, decompressobj

    ERRORS: tuple[type[Exception], ...]
else:
    try:
        from isal.isal_zlib import IsalError, crc32, decompressobj
    except ImportError:
        from zlib import crc32, decompressobj

        ERRORS = (zlib.error,)
    else:
        ERRORS = (zlib.error, IsalError)

RAW = -15
"""For `wbits`: deflate alone, as in a zip file."""
GZIP = 31
GZIP_HEADER_BYTES = 10

__all__ = ["ERRORS", "RAW", "crc32", "decompressobj", "gzip_member"]


def gzip_member(head: bytes) -> Any:
    """A `decompressobj` for the gzip member that begins with *head*.

    ISA-L gets the plain headers that Docker, Go and pigz write: of a longer one that comes in pieces it miscounts the
    checksum (FHCRC).
    """
    is_plain = len(head) >= GZIP_HEADER_BYTES and head[3] == 0
    return decompressobj(GZIP) if is_plain else zlib.decompressobj(GZIP)
