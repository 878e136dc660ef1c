"""Gzip members, whoever wrote their headers."""

from __future__ import annotations

import zlib

import pytest

from teul.inflate import gzip_member

DATA = b"hello world" * 500
NAME, EXTRA, COMMENT, CHECKSUM = 8, 4, 16, 2


def member(flags: int) -> bytes:
    """Spec: RFC 1952, section 2.3."""
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6)
    head += b"\x05\0extra" if flags & EXTRA else b""
    head += b"name\0" if flags & NAME else b""
    head += b"comment\0" if flags & COMMENT else b""
    head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") if flags & CHECKSUM else b""
    stream = zlib.compressobj(6, zlib.DEFLATED, -15)
    end = zlib.crc32(DATA).to_bytes(4, "little") + len(DATA).to_bytes(4, "little")
    return head + stream.compress(DATA) + stream.flush() + end


@pytest.mark.parametrize("flags", [0, NAME, EXTRA, COMMENT, CHECKSUM, NAME | EXTRA | COMMENT | CHECKSUM])
@pytest.mark.parametrize("step", [1, 7, 11, 4096])
def test_a_member_that_comes_in_pieces(flags: int, step: int) -> None:
    data = member(flags)
    stream = gzip_member(data[:step])
    made = b""
    at = 0
    while not stream.eof:
        given = stream.unconsumed_tail or data[at : at + step]
        at += 0 if stream.unconsumed_tail else step
        made += stream.decompress(given, 512)
        assert at < len(data) + 2 * step

    assert made == DATA
