"""The members of a zip file, inflated apart from `zipfile`."""

from __future__ import annotations

import io
import os
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import pytest

from teul.build.python.zipped import DAMAGED, PIECE_BYTES, pieces

CONTENTS = {
    "empty": b"",
    "one": b"x",
    "zeros": bytes(3 * PIECE_BYTES + 5),
    "noise": os.urandom(2 * PIECE_BYTES),
    "한글": "가나다".encode() * 1000,
}


def archive(method: int) -> bytearray:
    made = io.BytesIO()
    with ZipFile(made, "w", method) as file:
        for name, content in CONTENTS.items():
            file.writestr(name, content)
    return bytearray(made.getvalue())


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2])
def test_every_method_gives_the_content_in_pieces(method: int) -> None:
    with ZipFile(io.BytesIO(archive(method))) as file:
        for info in file.infolist():
            made = list(pieces(file, info))
            assert b"".join(made) == CONTENTS[info.filename]
            assert all(0 < len(piece) <= PIECE_BYTES for piece in made)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_size_that_lies_is_an_error(change: int) -> None:
    with ZipFile(io.BytesIO(archive(ZIP_DEFLATED))) as file:
        info = file.getinfo("zeros")
        info.file_size += change
        with pytest.raises(BadZipFile):
            list(pieces(file, info))


def test_damage_is_an_error_wherever_it_is() -> None:
    with ZipFile(io.BytesIO(archive(ZIP_DEFLATED))) as file:
        info = file.getinfo("한글")
    start = info.header_offset
    for at in range(start, start + 30 + info.compress_size):
        data = archive(ZIP_DEFLATED)
        data[at] ^= 0x10
        with ZipFile(io.BytesIO(data)) as file:
            try:
                made = b"".join(pieces(file, file.getinfo("한글")))
            except DAMAGED:
                continue
            assert made == CONTENTS["한글"]  # a field that nobody reads: the local header's time, size, …
