from __future__ import annotations

import gzip
import io
import os
import tarfile

import pytest

from teul.build.copying import Copier
from teul.build.unpacking import BLOCK, open_archive, unpack
from teul.errors import Corrupt


def tar(*members: tuple[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.gid = len(content), os.geteuid(), os.getegid()
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def unpacked(tmp_path, data: bytes) -> dict[str, bytes]:
    (tmp_path / "a.tar").write_bytes(data)
    (tmp_path / "root").mkdir()
    archive = open_archive(str(tmp_path / "a.tar"))
    assert archive is not None
    owner = os.geteuid(), os.getegid()
    with archive:
        unpack(archive, Copier(str(tmp_path / "root"), owner=owner, made_owner=owner), "/")
    return {path.name: path.read_bytes() for path in (tmp_path / "root").iterdir()}


WHOLE = tar(("one", b"1"), ("two", b"2"))
SECOND = 2 * BLOCK
"""Where the header of the second member begins."""


@pytest.mark.parametrize(
    "data", [WHOLE, gzip.compress(WHOLE), WHOLE[: 2 * SECOND]], ids=["plain", "gzip", "no trailer"]
)
def test_an_archive_needs_no_trailer(tmp_path, data):
    assert unpacked(tmp_path, data) == {"one": b"1", "two": b"2"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "data",
    [
        WHOLE[: SECOND + 100],
        WHOLE[: SECOND + BLOCK],
        WHOLE[:SECOND] + b"x" * BLOCK + WHOLE[SECOND + BLOCK :],
        WHOLE[:SECOND] + b"other" + WHOLE[SECOND + 5 :],
    ],
    ids=["half a header", "no content", "no header", "another checksum"],
)
def test_an_archive_that_is_damaged_behind_its_beginning_is_refused(tmp_path, data, pack):
    with pytest.raises(Corrupt, match=r"a\.tar"):
        unpacked(tmp_path, pack(data))


def test_a_name_that_no_filesystem_takes_is_refused(tmp_path):
    with pytest.raises(Corrupt, match="File name too long"):
        unpacked(tmp_path, tar(("n" * 300, b"")))
