import io
import os
import stat
import subprocess
import tarfile

import pytest

from suites.layers import EPOCH, names, tree
from teul.errors import Cancelled, MalformedLayer
from teul.host.fs import remove_tree
from teul.layers import apply, pack

pytestmark = pytest.mark.needs_root
TIME = EPOCH * 10**9


@pytest.fixture
def place(tmp_path):
    (tmp_path / "fs").mkdir()
    return tmp_path / "fs"


def packed(folder):
    pieces = []
    result = pack(str(folder), pieces.append)
    data = b"".join(pieces)

    assert result == pack(str(folder))
    assert len(data) == result.tar_size_bytes
    return data


def members(folder):
    """As Python's `tarfile` reads what was packed."""
    with tarfile.open(fileobj=io.BytesIO(packed(folder))) as tar:
        return {info.name: info for info in tar}


def put(path, data=b"x", *, mode=0o644, time_ns=TIME):
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, ns=(time_ns, time_ns))


def test_an_empty_folder_is_an_empty_tar(place):
    result = pack(str(place))

    assert packed(place) == bytes(1024)
    assert (result.entries, result.size_bytes, result.tar_size_bytes) == (0, 0, 1024)
    assert result.diff_id == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


def test_the_bytes_of_a_small_layer_never_change(place):
    """A change here changes every image digest: it needs a new version of the format and a note for users."""
    put(place / "a", b"hello\n")
    (place / "d").mkdir(mode=0o755)
    os.symlink("../a", place / "d/link")
    os.utime(place / "d/link", ns=(TIME, TIME), follow_symlinks=False)
    os.mknod(place / "gone", stat.S_IFCHR, 0)
    os.setxattr(place / "d", "trusted.overlay.opaque", b"y")
    os.utime(place / "d", ns=(TIME, TIME + 5))

    assert pack(str(place)).diff_id == "sha256:05c055b32dbfa879164779c6e62ee3b8dd5ce47ff4988c881488b997fdc271c1"


def test_every_kind_is_written_so_that_others_read_it(place):
    put(place / "file", b"data" * 1000, mode=0o6755)
    os.chown(place / "file", 1, 2)
    put(place / "file", b"data" * 1000, mode=0o6755)
    os.link(place / "file", place / "same")
    os.symlink("to", place / "link")
    os.mkfifo(place / "fifo")
    os.mknod(place / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(place / "disk", stat.S_IFBLK | 0o660, os.makedev(8, 1))
    (place / "folder").mkdir(mode=0o700)
    found = members(place)

    assert list(found) == ["disk", "fifo", "file", "folder", "link", "null", "same"]
    file = found["file"]
    assert (file.type, file.mode, file.uid, file.gid, file.size, file.mtime) == (b"0", 0o6755, 1, 2, 4000, EPOCH)
    assert (file.uname, file.gname) == ("", "")
    assert (found["same"].type, found["same"].linkname) == (b"1", "file")
    assert (found["link"].type, found["link"].linkname) == (b"2", "to")
    assert (found["null"].devmajor, found["null"].devminor) == (1, 3)
    assert (found["disk"].type, found["disk"].devmajor) == (b"4", 8)
    assert found["folder"].isdir()
    assert found["fifo"].type == b"6"


def test_gnu_tar_reads_it(place):
    put(place / "한글", b"x")
    (place / ("d" * 120)).mkdir()
    put(place / ("d" * 120) / ("f" * 150), b"y", time_ns=TIME + 1)
    os.symlink("t" * 200, place / "link")
    done = subprocess.run(
        ["tar", "-tvf", "-", "--quoting-style=literal"], input=packed(place), capture_output=True, check=True
    )

    assert done.stderr == b""
    assert done.stdout.decode().count("\n") == 4


def test_names_are_in_bytewise_order_and_folders_before_what_they_hold(place):
    for name in ("b", "a", "a.b", "A", "é", "한"):
        put(place / name)
    (place / "a-").mkdir()
    put(place / "a-/z")

    assert list(members(place)) == ["A", "a", "a-", "a-/z", "a.b", "b", "é", "한"]


def test_a_plain_file_has_no_extended_header(place):
    put(place / "a")
    (place / "folder").mkdir()
    os.utime(place / "folder", ns=(TIME, TIME))
    long = place / ("d" * 90)
    long.mkdir()
    os.utime(long, ns=(TIME, TIME))
    put(long / ("f" * 90))
    os.utime(long, ns=(TIME, TIME))

    assert b"PaxHeaders" not in packed(place)


@pytest.mark.parametrize(
    ("change", "record"),
    [
        (lambda path: os.utime(path, ns=(0, TIME + 500_000_000)), {"mtime": "315532800.5"}),
        (lambda path: os.utime(path, ns=(0, -1_500_000_000)), {"mtime": "-1.5"}),
        (lambda path: os.chown(path, 3_000_000, 4_000_000), {"uid": "3000000", "gid": "4000000"}),
        (lambda path: os.setxattr(path, "user.k", b"v"), {"SCHILY.xattr.user.k": "v"}),
    ],
)
def test_extended_headers_say_what_ustar_cannot(place, change, record):
    put(place / "a")
    change(place / "a")

    assert members(place)["a"].pax_headers == record


def test_whiteouts_and_opaque_folders_are_written_as_the_specification_says(place):
    """Spec: image-spec v1.1 layer.md, "Whiteouts", "Opaque Whiteout"."""
    os.mknod(place / "gone", stat.S_IFCHR | 0o600, 0)
    (place / "d").mkdir()
    os.setxattr(place / "d", "trusted.overlay.opaque", b"y")
    put(place / "d/.a")
    found = members(place)

    assert list(found) == ["d", "d/.wh..wh..opq", "d/.a", ".wh.gone"]
    for name in ("d/.wh..wh..opq", ".wh.gone"):
        mark = found[name]
        assert (mark.type, mark.mode, mark.uid, mark.size, mark.mtime) == (b"0", 0, 0, 0, 0)


def test_overlay_s_own_attributes_stay_here(place):
    (place / "d").mkdir()
    for name in ("origin", "impure", "opaque"):
        os.setxattr(place / "d", f"trusted.overlay.{name}", b"x")
    os.setxattr(place / "d", "user.overlay.origin", b"x")
    os.setxattr(place / "d", "trusted.other", b"x")

    assert {name: info.pax_headers.keys() & {"SCHILY"} for name, info in members(place).items()} == {"d": set()}
    assert b"SCHILY" not in packed(place)


def test_sockets_are_left_out(place):
    import socket

    with socket.socket(socket.AF_UNIX) as made:
        at = os.getcwd()
        os.chdir(place)
        try:
            made.bind("socket")
        finally:
            os.chdir(at)

    assert os.listdir(place) == ["socket"]
    assert members(place) == {}


def test_reserved_names_are_refused(place):
    put(place / ".wh.x", b"not empty")

    with pytest.raises(MalformedLayer, match="reserved"):
        pack(str(place))


def test_marks_as_files_are_whiteouts(place):
    """What a snapshotter without whiteout devices leaves."""
    put(place / ".wh.x", b"", mode=0o777)
    (place / "d").mkdir()
    put(place / "d/.wh..wh..opq", b"")

    assert list(members(place)) == [".wh.x", "d", "d/.wh..wh..opq"]
    assert members(place)[".wh.x"].mode == 0


def test_links_across_the_border_of_the_folder_are_files(place, tmp_path):
    put(tmp_path / "outside", b"abc")
    os.link(tmp_path / "outside", place / "inside")

    assert members(place)["inside"].size == 3


def test_a_tree_deeper_than_python_recurses_is_packed(place):
    at = os.open(place, os.O_RDONLY)
    for _ in range(500):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)

    try:
        assert pack(str(place)).entries == 500
    finally:
        remove_tree(str(place))  # pytest's own way of cleaning up recurses


def test_files_larger_than_a_buffer_are_whole(place):
    data = os.urandom((5 << 20) + 7)
    put(place / "big", data)
    with tarfile.open(fileobj=io.BytesIO(packed(place))) as tar:
        assert tar.extractfile("big").read() == data


def test_packing_leaves_no_descriptor_open(place):
    put(place / "a")
    before = len(os.listdir("/proc/self/fd"))
    pack(str(place))
    put(place / ".wh.x", b"y")
    with pytest.raises(MalformedLayer):
        pack(str(place))

    assert len(os.listdir("/proc/self/fd")) == before


def test_what_was_packed_is_applied_to_the_same_tree(place, tmp_path):
    (place / "d").mkdir(mode=0o1777)
    os.setxattr(place / "d", "trusted.overlay.opaque", b"y")
    put(place / "d/f", b"x" * 5000, mode=0o4711)
    os.setxattr(place / "d/f", "user.a", b"1")
    os.link(place / "d/f", place / "z")
    os.symlink("d/f", place / "link")
    os.mknod(place / "white", stat.S_IFCHR, 0)
    os.mknod(place / "dev", stat.S_IFCHR | 0o640, os.makedev(5, 1))
    other = tmp_path / "other"
    other.mkdir()
    applied = apply(io.BytesIO(packed(place)), str(other))

    expected, actual = tree(place), tree(other)
    for path in (b"white",):  # a whiteout's own time and mode mean nothing
        del expected[path], actual[path]
    assert expected == actual
    assert applied.stands_alone
    assert pack(str(other)).diff_id == applied.diff_id
    assert names(other) == ["d", "d/f", "dev", "link", "white", "z"]


def test_packing_a_large_file_can_be_stopped_in_the_middle(place):
    with open(place / "large", "wb") as file:
        file.truncate(64 << 20)
    pieces = []

    with pytest.raises(Cancelled):
        pack(str(place), pieces.append, should_stop=lambda: len(pieces) >= 3)

    assert len(pieces) == 3
