"""The frames between the front and a worker. Must not know what is in them.

frame = length (4 bytes, of the payload) number (4) status (2) rows (4), all big-endian; payload
"""

from __future__ import annotations

import struct

HEAD = struct.Struct("!IIHI")

# What the front asks for (in the place of `status`).
INFER, JSON, CSV = 1, 2, 3

# What a worker says about itself, with number 0.
READY, FAILED = 1, 2


def pack(number: int, status: int, payload: bytes, rows: int = 0) -> bytes:
    return HEAD.pack(len(payload), number, status, rows) + payload


class Splitter:
    """Bytes in, whole frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, int, int, bytes]]:
        """Give the frames that *data* completes, as (number, status, rows, payload)."""
        buffer = self._buffer
        buffer += data
        made = []
        start = 0
        while len(buffer) - start >= HEAD.size:
            length, number, status, rows = HEAD.unpack_from(buffer, start)
            end = start + HEAD.size + length
            if len(buffer) < end:
                break
            made.append((number, status, rows, bytes(buffer[start + HEAD.size : end])))
            start = end
        if start:
            del buffer[:start]
        return made
