import gzip
import hashlib
import io
import os
import random

import pytest
import zstandard

from teul.errors import MalformedLayer
from teul.layers.codec import GZIP_BLOCK_BYTES, compress, open_decoded

RANDOM = random.Random(7)
DATA = b"".join(bytes([RANDOM.randrange(40)]) * RANDOM.randrange(60) for _ in range(150_000)) + RANDOM.randbytes(
    300_000
)


def squeezed(name, data, *, threads=0, chunk=1 << 20):
    pieces = []
    with compress(name, pieces.append, threads=threads) as compressor:
        for start in range(0, len(data), chunk):
            compressor.write(data[start : start + chunk])
    return b"".join(pieces)


class Dribble:
    """A stream that gives one byte at a time, as a slow socket may."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def read(self, size=-1, /):
        return self._data.read(min(size, 1) if size >= 0 else 1)


@pytest.mark.parametrize("name", ["gzip", "zstd", ""])
def test_what_was_compressed_is_decompressed(name):
    for data in (b"", b"x", DATA, DATA[:GZIP_BLOCK_BYTES], DATA[: GZIP_BLOCK_BYTES + 1]):
        assert open_decoded(io.BytesIO(squeezed(name, data))).read() == data


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_the_bytes_depend_neither_on_threads_nor_on_how_they_came(name):
    made = {
        hashlib.sha256(squeezed(name, DATA, threads=threads, chunk=chunk)).hexdigest()
        for threads, chunk in ((1, 1 << 20), (2, 77_777), (7, 3_000_000), (16, 1 << 20))
    }

    assert len(made) == 1


def test_other_programs_read_them():
    assert gzip.decompress(squeezed("gzip", DATA)) == DATA
    assert zstandard.ZstdDecompressor().stream_reader(squeezed("zstd", DATA)).read() == DATA


def test_gzip_says_nothing_of_the_machine():
    """Spec: RFC 1952, 2.3: no name, no time, operating system 255."""
    assert squeezed("gzip", b"x")[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def test_others_streams_are_read():
    skippable = b"\x5a\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"
    frame = zstandard.ZstdCompressor(write_checksum=True).compress(DATA)
    streamed = zstandard.ZstdCompressor(level=1).compressobj()
    unsized = streamed.compress(DATA) + streamed.flush()
    member = gzip.compress(DATA)
    for data, expected in (
        (frame + frame, DATA * 2),
        (skippable + frame + skippable + unsized + skippable, DATA * 2),
        (unsized, DATA),
        (member + member, DATA * 2),
        (member + bytes(5000), DATA),
        (member + bytes(70_000) + member, DATA * 2),
    ):
        assert open_decoded(io.BytesIO(data)).read() == expected


@pytest.mark.parametrize("name", ["gzip", "zstd", ""])
def test_slow_streams_are_read(name):
    data = DATA[:50_000]

    assert open_decoded(Dribble(squeezed(name, data))).read() == data


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_media_type_that_lies_does_not_matter(name):
    packed = squeezed(name, DATA)

    assert open_decoded(io.BytesIO(packed), "application/vnd.oci.image.layer.v1.tar").read() == DATA
    assert open_decoded(io.BytesIO(DATA), f"application/vnd.oci.image.layer.v1.tar+{name}").read() == DATA


def test_what_no_engine_reads_is_refused():
    with pytest.raises(MalformedLayer):
        open_decoded(io.BytesIO(b"x"), "application/vnd.oci.image.layer.v1.tar+encrypted")


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("lost", [1, 4, 9, 1000])
def test_a_stream_that_was_cut_short_is_noticed(name, lost):
    with pytest.raises(MalformedLayer):
        open_decoded(io.BytesIO(squeezed(name, DATA)[:-lost])).read()


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_damaged_stream_is_noticed(name):
    packed = bytearray(squeezed(name, DATA))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(MalformedLayer):
        open_decoded(io.BytesIO(bytes(packed))).read()


def test_reads_are_bounded():
    for name in ("gzip", "zstd", ""):
        stream = open_decoded(io.BytesIO(squeezed(name, DATA)))
        sizes = []
        while piece := stream.read(1000):
            sizes.append(len(piece))
        assert max(sizes) <= 1000
        assert sum(sizes) == len(DATA)


@pytest.mark.slow
def test_a_bomb_takes_no_memory():
    bombs = [zstandard.ZstdCompressor(level=19).compress(bytes(1 << 28)), gzip.compress(bytes(1 << 28), 9)]
    for bomb in bombs:
        assert len(bomb) < 1 << 19
        stream = open_decoded(io.BytesIO(bomb))
        count = 0
        while piece := stream.read(1 << 16):
            assert len(piece) <= 1 << 16
            count += len(piece)
        assert count == 1 << 28


def test_a_window_that_takes_too_much_memory_is_refused():
    """A frame header that asks for 2 GB. Spec: RFC 8878, 3.1.1.1.2."""
    evil = b"\x28\xb5\x2f\xfd" + bytes([0x00, (31 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(MalformedLayer):
        open_decoded(io.BytesIO(evil)).read()


def test_an_unfinished_compressor_lets_go_of_its_threads():
    import threading

    before = threading.active_count()
    with pytest.raises(KeyError), compress("gzip", lambda _: None, threads=2) as compressor:
        compressor.write(os.urandom(5 << 20))
        raise KeyError

    assert threading.active_count() == before


def test_unknown_codecs_are_an_error():
    with pytest.raises(ValueError):
        compress("lzma", lambda _: None)
