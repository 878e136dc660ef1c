import io
import os
import stat
import tarfile

import pytest

from suites.layers import EPOCH, archive, device, digest_of, folder, hardlink, member, names, symlink, tree, written
from teul.errors import MalformedLayer, UnsafePath
from teul.layers import RecipeWriter, apply, replay

pytestmark = pytest.mark.needs_root


@pytest.fixture
def place(tmp_path):
    (tmp_path / "fs").mkdir()
    return tmp_path


def put(place, data, *, lower=None, device_marks=True):
    """Apply *data* to `place/fs` and see that the recipe gives it again."""
    os.mkdir(place / "aside")
    recipe = RecipeWriter(str(place / "recipe"))
    try:
        applied = apply(
            io.BytesIO(data),
            str(place / "fs"),
            lower=lower,
            recipe=recipe,
            aside=str(place / "aside"),
            device_marks=device_marks,
        )
        recipe.finish()
    finally:
        recipe.abandon()
    again = []
    digest = replay(str(place / "recipe"), str(place / "fs"), str(place / "aside"), again.append)

    assert applied.diff_id == digest == digest_of(data)
    assert applied.tar_size_bytes == len(data)
    assert b"".join(again) == data
    return applied


def whiteouts(place):
    return sorted(path.decode() for path, facts in tree(place / "fs").items() if facts.get("device") == (0, 0))


def opaques(place):
    return sorted(
        path.decode() for path, facts in tree(place / "fs").items() if facts["xattrs"].get("trusted.overlay.opaque")
    )


def content(place, path):
    return (place / "fs" / path).read_bytes()


def test_everything_of_a_member_is_kept(place):
    applied = put(
        place,
        archive(
            folder("bin", mode=0o1777, uid=1, gid=2, mtime_ns=5),
            member("bin/su", b"setuid", mode=0o6755, uid=3, gid=4, mtime_ns=EPOCH * 10**9 + 123456789),
            symlink("bin/link", "su", uid=5, gid=6, mtime_ns=7),
            hardlink("bin/same", "bin/su"),
            device("null", 1, 3, mode=0o666),
            member("fifo", kind=b"6", mode=0o600),
        ),
    )

    found = tree(place / "fs")
    assert found[b"bin"]["mode"] == "0o41777"
    assert (found[b"bin"]["owner"], found[b"bin"]["mtime_ns"]) == ((1, 2), 5)
    assert found[b"bin/su"]["mode"] == "0o106755"
    assert found[b"bin/su"]["mtime_ns"] == EPOCH * 10**9 + 123456789
    assert (found[b"bin/link"]["link"], found[b"bin/link"]["owner"]) == (b"su", (5, 6))
    assert found[b"bin/link"]["mtime_ns"] == 7
    assert found[b"bin/same"]["same as"] == b"bin/same" == found[b"bin/su"]["same as"]
    assert found[b"null"]["device"] == (1, 3)
    assert stat.S_ISFIFO(int(found[b"fifo"]["mode"], 8))
    assert (applied.size_bytes, applied.inodes, applied.stands_alone) == (6, 5, True)


def test_an_empty_stream_is_an_empty_layer(place):
    for data in (b"", bytes(512), bytes(1024), bytes(10240)):
        (place / str(len(data)) / "fs").mkdir(parents=True)
        put(place / str(len(data)), data)


def test_what_follows_the_end_is_kept_in_the_recipe(place):
    put(place, archive(member("a", b"1")) + os.urandom(3000))

    assert names(place / "fs") == ["a"]


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/../a", "./../a", "a/b/../../../c", ".."])
def test_dots_do_not_leave_the_root(place, path):
    with pytest.raises(UnsafePath):
        put(place, archive(member(path, b"x")))

    assert sorted(os.listdir(place)) == ["aside", "fs", "recipe"]


@pytest.mark.parametrize("path", ["/etc/a", "//etc//a", "./etc/./a", "etc/x/../a"])
def test_odd_spellings_are_the_path_they_mean(place, path):
    put(place, archive(folder("etc"), member(path, b"x")))

    assert names(place / "fs") == ["etc", "etc/a"]


@pytest.mark.parametrize("target", ["/out", "../../../../../../out", "../out"])
def test_a_link_among_the_parents_resolves_inside(place, target):
    (place / "out").mkdir()
    put(place, archive(symlink("link", target), member("link/file", b"x")))

    assert os.listdir(place / "out") == []
    assert names(place / "fs") == ["link", "out", "out/file"]


def test_links_to_open_files_and_to_the_host_s_folders_lead_nowhere_else(place):
    put(
        place,
        archive(
            symlink("a", "/proc/self/root"), symlink("b", "/proc/self/cwd"), member("a/x", b"1"), member("b/y", b"2")
        ),
    )

    assert names(place / "fs") == [
        "a",
        "b",
        "proc",
        "proc/self",
        "proc/self/cwd",
        "proc/self/cwd/y",
        "proc/self/root",
        "proc/self/root/x",
    ]


def test_a_loop_of_links_is_refused(place):
    with pytest.raises(UnsafePath):
        put(place, archive(symlink("a", "b"), symlink("b", "a"), member("a/x", b"1")))


def test_a_file_does_not_go_through_a_link_of_its_name(place):
    (place / "victim").write_text("old")
    put(place, archive(symlink("link", str(place / "victim")), member("link", b"new")))

    assert (place / "victim").read_text() == "old"
    assert content(place, "link") == b"new"


def test_a_folder_takes_the_place_of_a_link(place):
    (place / "out").mkdir(mode=0o700)
    put(place, archive(symlink("link", "../out"), folder("link", mode=0o777), member("link/x", b"1")))

    assert stat.S_IMODE(os.stat(place / "out").st_mode) == 0o700
    assert names(place / "fs") == ["link", "link/x"]


@pytest.mark.parametrize("target", ["../secret", "/../secret", "a/../../secret"])
def test_a_hard_link_out_of_the_root_is_refused(place, target):
    (place / "secret").write_text("x")
    with pytest.raises(UnsafePath):
        put(place, archive(hardlink("stolen", target)))


def test_a_hard_link_through_a_link_stays_inside(place):
    (place / "secret").write_text("x")
    with pytest.raises(MalformedLayer):
        put(place, archive(symlink("up", "/.."), hardlink("stolen", "up/secret")))
    assert names(place / "fs") == ["up"]


def test_a_hard_link_to_a_link_is_a_link_not_its_target(place):
    (place / "secret").write_text("x")
    put(place, archive(symlink("link", str(place / "secret")), hardlink("same", "link")))

    assert os.readlink(place / "fs/same") == str(place / "secret")
    assert os.stat(place / "secret").st_nlink == 1


@pytest.mark.parametrize(
    "members",
    [
        [hardlink("a", "nowhere")],
        [folder("d"), hardlink("a", "d")],
        [member("a", b"1"), hardlink("a", "a")],
        [hardlink("a", "")],
        [hardlink("a", "/")],
        [member(".wh.gone"), hardlink("a", "gone")],
    ],
)
def test_hard_links_to_nothing_or_to_folders_are_refused(place, members):
    with pytest.raises(MalformedLayer):
        put(place, archive(*members))


def test_a_file_below_a_file_is_refused(place):
    with pytest.raises(MalformedLayer, match="`a` is a file"):
        put(place, archive(member("a", b"1"), member("a/b", b"2")))


def test_the_root_is_a_folder_with_mode_and_owner(place):
    put(place, archive(folder("./", mode=0o700, uid=7)))

    status = os.stat(place / "fs")
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, 7)
    with pytest.raises(UnsafePath):
        apply(io.BytesIO(archive(symlink(".", "/etc"))), str(place / "fs"))


# Whiteouts. Spec: image-spec v1.1 layer.md, "Whiteouts", "Opaque Whiteout".


def test_a_whiteout_is_overlay_s_device(place):
    applied = put(place, archive(folder("etc"), member("etc/.wh.passwd"), member(".wh.gone")))

    assert whiteouts(place) == ["etc/passwd", "gone"]
    assert applied.stands_alone


def test_an_opaque_folder_has_overlay_s_attribute_wherever_its_mark_stands(place):
    put(
        place,
        archive(
            folder("a"),
            member("a/.wh..wh..opq"),
            member("a/x", b"1"),
            folder("b"),
            member("b/y", b"2"),
            member("b/.wh..wh..opq"),
        ),
    )

    assert opaques(place) == ["a", "b"]
    assert names(place / "fs") == ["a", "a/x", "b", "b/y"]


def test_a_whiteout_hides_what_is_below_not_what_the_layer_has(place):
    put(place, archive(member("f", b"1"), member(".wh.f"), folder("d"), member("d/x", b"2"), member(".wh.d")))

    assert whiteouts(place) == []
    assert content(place, "f") == b"1"
    assert opaques(place) == ["d"]


def test_what_follows_its_whiteout_takes_its_place(place):
    put(
        place,
        archive(member(".wh.f"), member("f", b"1"), member(".wh.d"), folder("d"), member(".wh.e"), member("e/x", b"2")),
    )

    assert whiteouts(place) == []
    assert opaques(place) == ["d", "e"]


def test_whiteouts_come_twice(place):
    put(
        place,
        archive(member(".wh.f"), member(".wh.f"), folder("d"), member("d/.wh..wh..opq"), member("d/.wh..wh..opq")),
    )

    assert whiteouts(place) == ["f"]


def test_a_whiteout_of_what_is_not_there_is_not_made(place):
    below = lower(place, folder("etc"), member("etc/a", b"1"))
    applied = put(place, archive(folder("etc"), member("etc/.wh.a"), member("etc/.wh.b"), member(".wh.c")), lower=below)

    assert whiteouts(place) == ["etc/a"]
    assert not applied.stands_alone


def test_an_opaque_folder_needs_no_whiteouts(place):
    put(
        place,
        archive(
            folder("d"),
            member("d/.wh.a"),
            folder("d/e"),
            member("d/e/.wh.b"),
            member("d/.wh..wh..opq"),
            member(".wh.x"),
        ),
    )

    assert whiteouts(place) == ["x"]
    assert opaques(place) == ["d"]


def test_a_bare_whiteout_is_refused(place):
    for number, name in enumerate((".wh.", "a/.wh.", ".wh..", ".wh...")):
        (place / str(number) / "fs").mkdir(parents=True)
        with pytest.raises((MalformedLayer, UnsafePath)):
            put(place / str(number), archive(member(name)))


def test_aufs_own_files_are_left_out(place):
    put(
        place,
        archive(
            folder(".wh..wh.plnk"), member(".wh..wh.plnk/123.456", b"x"), member(".wh..wh.aufs"), member("a", b"1")
        ),
    )

    assert names(place / "fs") == ["a"]


def test_a_folder_with_a_whiteout_s_name_is_refused(place):
    with pytest.raises(MalformedLayer):
        put(place, archive(member(".wh.a/b", b"1")))


def test_a_whiteout_device_in_the_tar_is_refused(place):
    with pytest.raises(UnsafePath):
        put(place, archive(device("a", 0, 0)))


def test_without_device_marks_the_marks_stay_files(place):
    put(place, archive(folder("d"), member("d/.wh..wh..opq"), member(".wh.gone")), device_marks=False)

    assert names(place / "fs") == [".wh.gone", "d", "d/.wh..wh..opq"]


# The same name twice


def test_the_last_of_several_wins_and_the_recipe_knows_the_others(place):
    put(place, archive(member("f", b"one"), hardlink("g", "f"), member("f", b"two"), member("f", b"three")))

    assert content(place, "f") == b"three"
    assert content(place, "g") == b"one"
    assert sorted(os.listdir(place / "aside")) == ["0", "1"]


def test_a_file_takes_the_place_of_a_folder_and_of_all_in_it(place):
    put(
        place,
        archive(
            folder("d"),
            folder("d/e"),
            member("d/e/f", b"1"),
            member("d/g", b"2"),
            member("d", b"file"),
            member("x", b"3"),
        ),
    )

    assert names(place / "fs") == ["d", "x"]
    assert content(place, "d") == b"file"


def test_a_folder_that_takes_a_file_s_place_hides_what_is_below(place):
    put(place, archive(folder("d"), member("d/x", b"0"), member("d", b"1"), folder("d"), member("d/y", b"2")))

    assert opaques(place) == ["d"]
    assert names(place / "fs") == ["d", "d/y"]


def test_a_folder_twice_has_the_later_mode(place):
    put(place, archive(folder("d", mode=0o700), member("d/x", b"1"), folder("d", mode=0o711, mtime_ns=9)))

    assert stat.S_IMODE(os.stat(place / "fs/d").st_mode) == 0o711
    assert os.stat(place / "fs/d").st_mtime_ns == 9
    assert names(place / "fs") == ["d", "d/x"]


# Names, numbers, dialects


@pytest.mark.parametrize("name", ["한글/파일 이름.txt", "new\nline", "'\"\\", "-rf", " ", "a" * 255])
def test_names_of_all_kinds(place, name):
    put(place, archive(*([folder(name.split("/")[0])] if "/" in name else []), member(name, b"x")))

    assert (place / "fs" / name).read_bytes() == b"x"


def test_names_that_are_not_text(place):
    put(place, archive(member(b"\xff\xfe\x80", b"x"), symlink(b"l", b"\xed\xa0\x80")))

    assert os.listdir(bytes(place) + b"/fs")
    assert os.readlink(bytes(place) + b"/fs/l") == b"\xed\xa0\x80"


@pytest.mark.parametrize("dialect", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_other_tools_dialects(place, dialect):
    long = (
        "/".join(["folder-with-a-long-name"] * 5) + "/file"
        if dialect == tarfile.USTAR_FORMAT
        else "d" * 200 + "/" + "f" * 200
    )
    parts = []
    for index in range(1, len(long.split("/"))):
        info = tarfile.TarInfo("/".join(long.split("/")[:index]))
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        parts.append((info, b""))
    info = tarfile.TarInfo(long)
    info.mtime = 1.5 if dialect == tarfile.PAX_FORMAT else 1
    parts.append((info, b"data" * 1000))
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, ("t" * 150 if dialect != tarfile.USTAR_FORMAT else "t" * 99)
    parts.append((link, b""))
    put(place, written(*parts, dialect=dialect))

    assert content(place, long) == b"data" * 1000
    assert os.stat(place / "fs" / long).st_mtime_ns == (1_500_000_000 if dialect == tarfile.PAX_FORMAT else 10**9)
    assert os.readlink(place / "fs/link") == link.linkname


def test_numbers_in_base_256(place):
    info = tarfile.TarInfo("f")
    info.uid, info.gid, info.mtime = 3_000_000_000, 2_500_000, -5
    put(place, written((info, b""), dialect=tarfile.GNU_FORMAT))

    status = os.stat(place / "fs/f")
    assert (status.st_uid, status.st_gid, status.st_mtime_ns) == (3_000_000_000, 2_500_000, -5 * 10**9)


def test_attributes_that_a_layer_may_set(place):
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    put(
        place,
        archive(
            member("f", b"x", xattrs={b"security.capability": capability, b"user.a": b"1\0\n=2", b"user.empty": b""}),
            folder("d", xattrs={b"user.b": b"2"}),
        ),
    )

    assert os.getxattr(place / "fs/f", "security.capability") == capability
    assert os.getxattr(place / "fs/f", "user.a") == b"1\0\n=2"
    assert os.getxattr(place / "fs/d", "user.b") == b"2"


def test_attributes_that_overlay_or_the_host_obey_are_not_set(place):
    evil = {
        b"trusted.overlay.opaque": b"y",
        b"trusted.overlay.redirect": b"/etc",
        b"trusted.overlay.metacopy": b"",
        b"user.overlay.opaque": b"y",
        b"trusted.x": b"1",
        b"security.selinux": b"x",
        b"user.\0": b"1",
    }
    put(place, archive(folder("d", xattrs=evil), member("f", b"x", xattrs=evil)))

    assert os.listxattr(place / "fs/d") == os.listxattr(place / "fs/f") == []


def test_capabilities_survive_the_change_of_owner(place):
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    put(place, archive(member("f", b"x", uid=1000, mode=0o4755, xattrs={b"security.capability": capability})))

    assert os.getxattr(place / "fs/f", "security.capability") == capability
    assert stat.S_IMODE(os.stat(place / "fs/f").st_mode) == 0o4755


def test_a_setgid_folder_does_not_give_its_group(place):
    put(place, archive(folder("d", mode=0o2775, gid=50), member("d/f", b"x", gid=0), folder("d/e")))

    assert os.stat(place / "fs/d/f").st_gid == 0
    assert os.stat(place / "fs/d/e").st_gid == 0
    assert stat.S_IMODE(os.stat(place / "fs/d/e").st_mode) == 0o755


def test_folders_that_are_closed_hold_their_files(place):
    put(place, archive(folder("d", mode=0o000), member("d/f", b"x", mode=0o000)))

    assert stat.S_IMODE(os.stat(place / "fs/d").st_mode) == 0
    assert content(place, "d/f") == b"x"


# Sparse files. Spec: GNU tar manual, "Storing Sparse Files".


def sparse_header(kind_format, pieces, real_size, payload):
    if kind_format == "gnu":
        header = bytearray(member("s", payload)[:512])
        header[156:157] = b"S"
        header[257:265] = b"ustar  \0"
        header[345:512] = bytes(167)
        for index, (offset, length) in enumerate(pieces):
            header[386 + 24 * index : 386 + 24 * index + 24] = b"%011o\0%011o\0" % (offset, length)
        header[483:495] = b"%011o\0" % real_size
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        return bytes(header) + payload + bytes(-len(payload) % 512)
    records = {}
    if kind_format == "1.0":
        text = b"%d\n" % len(pieces) + b"".join(b"%d\n%d\n" % piece for piece in pieces)
        payload = text + bytes(-len(text) % 512) + payload
        records = {
            b"GNU.sparse.major": b"1",
            b"GNU.sparse.minor": b"0",
            b"GNU.sparse.name": b"s",
            b"GNU.sparse.realsize": b"%d" % real_size,
        }
    else:
        flat = ",".join(f"{offset},{length}" for offset, length in pieces).encode()
        records = {b"GNU.sparse.map": flat, b"GNU.sparse.size": b"%d" % real_size, b"GNU.sparse.name": b"s"}
    lines = b""
    for key, value in records.items():
        size = len(key) + len(value) + 3
        while len(b"%d" % size) + len(key) + len(value) + 3 != size:
            size += 1
        lines += b"%d %s=%s\n" % (size, key, value)
    before = bytearray(member("PaxHeaders", lines)[: 512 + len(lines) + (-len(lines) % 512)])
    before[156:157] = b"x"
    before[148:156] = b" " * 8
    before[148:156] = b"%06o\0 " % sum(before[:512])
    return bytes(before) + member("GNUSparseFile.0/s", payload)


@pytest.mark.parametrize("kind", ["gnu", "0.1", "1.0"])
def test_sparse_files_have_their_holes(place, kind):
    pieces = [(0, 700), (1 << 20, 1000), (3 << 20, 0)]
    payload = os.urandom(1700)
    put(place, archive(sparse_header(kind, pieces, 3 << 20, payload), member("after", b"x")))

    assert content(place, "s") == payload[:700].ljust(1 << 20, b"\0") + payload[700:].ljust(2 << 20, b"\0")
    assert os.stat(place / "fs/s").st_blocks * 512 < 100_000
    assert content(place, "after") == b"x"


@pytest.mark.parametrize("kind", ["gnu", "0.1", "1.0"])
@pytest.mark.parametrize("pieces", [[(100, 100), (50, 50)], [(0, 5000)], [(4000, 150)], [(0, 100)]])
def test_sparse_maps_that_lie_are_refused(place, kind, pieces):
    with pytest.raises(MalformedLayer):
        put(place, archive(sparse_header(kind, pieces, 4096, bytes(150))))


# Bad tars


def broken(data, offset, value):
    return data[:offset] + value + data[offset + len(value) :]


GOOD = archive(member("file", b"x" * 1000))


@pytest.mark.parametrize(
    "data",
    [
        GOOD[:100],
        GOOD[:512],
        GOOD[:1000],
        GOOD[:1600],
        broken(GOOD, 0, b"X"),
        broken(GOOD, 148, b"zzzzzzz"),
        broken(GOOD, 124, b"-0000000001"),
        os.urandom(4096),
        member("a", b"1") + bytes(512) + member("b", b"2"),
        b"not a tar at all",
    ],
    ids=range(10),
)
def test_bad_tars_are_refused(place, data):
    with pytest.raises(MalformedLayer):
        apply(io.BytesIO(data), str(place / "fs"))


@pytest.mark.parametrize("kind", [b"V", b"M", b"D", b"Z"])
def test_unknown_kinds_of_member_are_refused(place, kind):
    header = bytearray(member("a")[:512])
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)

    with pytest.raises(MalformedLayer):
        apply(io.BytesIO(bytes(header)), str(place / "fs"))


def pax(lines, *, kind=b"x"):
    header = bytearray(member("p", lines)[: 512 + len(lines) + (-len(lines) % 512)])
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header)


@pytest.mark.parametrize(
    "lines",
    [
        b"x",
        b"99 path=a\n",
        b"0 \n",
        b"11 path=a/b",
        b"-1 a=b\n",
        b"12 size=-5\xff\n",
        b"13 mtime=abc\n",
        b"9 uid=x\n",
        b"11 path=\0a\n",
        b"20 size=99999999999999\n",
    ],
)
def test_bad_extended_headers_are_refused(place, lines):
    with pytest.raises(MalformedLayer):
        apply(io.BytesIO(archive(pax(lines), member("a", b"1"))), str(place / "fs"))


def test_an_extended_header_without_end_is_refused(place):
    with pytest.raises(MalformedLayer):
        apply(io.BytesIO(pax(b"x" * 2_000_000)), str(place / "fs"))
    with pytest.raises(MalformedLayer):
        apply(io.BytesIO(pax(b"8 a=bcd\n")), str(place / "fs"))


def test_a_global_header_is_a_comment(place):
    put(place, archive(pax(b"52 comment=0123456789012345678901234567890123456789\n", kind=b"g"), member("a", b"1")))

    assert names(place / "fs") == ["a"]


def test_members_that_hold_nothing_have_no_payload_whatever_their_size_says(place):
    """As in Go's archive/tar: a size on a link is not followed by bytes."""
    header = bytearray(symlink("l", "t")[:512])
    header[124:136] = b"%011o\0" % 1000
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    put(place, archive(bytes(header), member("a", b"1")))

    assert names(place / "fs") == ["a", "l"]


# Layers that do not stand alone


def lower(place, *members):
    base = place / "base"
    base.mkdir()
    apply(io.BytesIO(archive(*members)), str(base))
    return (str(base),)


def test_implied_parents_are_like_those_below(place):
    below = lower(place, folder("opt", mode=0o750, uid=9, mtime_ns=77, xattrs={b"user.a": b"1"}))
    applied = put(place, archive(member("opt/app/file", b"x")), lower=below)

    found = tree(place / "fs")
    assert (found[b"opt"]["mode"], found[b"opt"]["owner"], found[b"opt"]["mtime_ns"]) == ("0o40750", (9, 0), 77)
    assert found[b"opt"]["xattrs"] == {"user.a": b"1"}
    assert (found[b"opt/app"]["mode"], found[b"opt/app"]["mtime_ns"]) == ("0o40755", 0)
    assert not applied.stands_alone


def test_implied_parents_that_get_their_entry_later_are_no_matter(place):
    applied = put(place, archive(member("opt/file", b"x"), folder("opt", mode=0o711)))

    assert applied.stands_alone


def test_a_link_below_is_followed(place):
    """Debian's merged /usr: a layer that says `lib/x` means `usr/lib/x` there."""
    below = lower(place, folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"))
    applied = put(place, archive(member("lib/x", b"1")), lower=below)

    assert names(place / "fs") == ["usr", "usr/lib", "usr/lib/x"]
    assert not applied.stands_alone


def test_a_folder_entry_is_a_folder_even_on_a_link_below(place):
    below = lower(place, folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"))
    applied = put(place, archive(folder("lib"), member("lib/x", b"1")), lower=below)

    assert names(place / "fs") == ["lib", "lib/x"]
    assert applied.stands_alone


def test_a_hard_link_to_a_file_below_copies_it(place):
    below = lower(place, folder("etc", mode=0o700), member("etc/a", b"data", mode=0o4750, uid=3, mtime_ns=5))
    applied = put(place, archive(hardlink("b", "etc/a")), lower=below)

    found = tree(place / "fs")
    assert found[b"b"]["data"] == b"data"
    assert (found[b"b"]["mode"], found[b"b"]["owner"], found[b"b"]["mtime_ns"]) == ("0o104750", (3, 0), 5)
    assert found[b"etc/a"]["same as"] == b"b"
    assert found[b"etc"]["mode"] == "0o40700"
    assert not applied.stands_alone


def test_what_is_hidden_below_cannot_be_linked(place):
    below = lower(place, folder("etc"), member("etc/a", b"data"))
    upper = place / "upper"
    upper.mkdir()
    apply(io.BytesIO(archive(folder("etc"), member("etc/.wh.a"))), str(upper))
    with pytest.raises(MalformedLayer, match="does not exist"):
        put(place, archive(hardlink("b", "etc/a")), lower=(*below, str(upper)))


def test_a_failed_apply_leaks_no_descriptor(place):
    before = len(os.listdir("/proc/self/fd"))
    for data in (
        GOOD[:1000],
        archive(member("../x", b"1")),
        archive(folder("d"), member("d/e/f", b"1"), hardlink("d/a", "d/none")),
        archive(symlink("a", "a"), member("a/b/c")),
    ):
        (place / "try").mkdir()
        with pytest.raises((MalformedLayer, UnsafePath)):
            apply(io.BytesIO(data), str(place / "try"))
        from teul.host.fs import remove_tree

        remove_tree(str(place / "try"))

    assert len(os.listdir("/proc/self/fd")) == before
