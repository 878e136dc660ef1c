"""Properties of layers: apply ∘ pack = identity; no path escapes; layers by themselves, merged, are the layers in a row."""

import io
import os
import shutil
import stat
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suites.layers import archive, device, folder, hardlink, member, symlink, tree
from teul.errors import Corrupt
from teul.host.mount import OVERLAY_OPTIONS, join_layers, mounted
from teul.layers import RecipeWriter, apply, pack, replay
from teul.layers.codec import compress, open_decoded
from teul.layers.tar import Entry, format_entry, read_entry
from teul.oci.runtime import Mount

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))

plain_names = st.sampled_from([b"a", b"b", b"c", "한글".encode(), b"\xff\xfe", b"x" * 120, b"n\nl", b"a.b", b"-"])
times = st.one_of(st.just(315532800 * 10**9), st.integers(-(10**18), 4 * 10**18))
owners = st.one_of(st.just(0), st.integers(0, 2**32 - 2))
attributes = st.dictionaries(st.sampled_from([b"user.a", b"user.b"]), st.binary(max_size=40), max_size=2)
payloads = st.one_of(st.binary(max_size=40), st.integers(500, 70_000).map(lambda size: bytes([size % 251]) * size))


@pytest.fixture(scope="module")
def scratch():
    path = tempfile.mkdtemp(prefix="teul-property-", dir="/var/tmp")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def clean(scratch):
    """A function that gives an empty folder, each time it is called."""

    def make(name="fs"):
        path = f"{scratch}/{name}"
        shutil.rmtree(path, ignore_errors=True)
        os.mkdir(path)
        return path

    return make


kinds = st.sampled_from(["file", "file", "folder", "folder", "symlink", "hardlink", "fifo", "device", "white"])
nodes = st.lists(
    st.tuples(
        st.lists(plain_names, min_size=1, max_size=4),
        kinds,
        st.integers(0, 0o7777),
        owners,
        times,
        attributes,
        payloads,
        st.booleans(),
    ),
    max_size=12,
)


def build(top, specification):
    """Make a tree as a step of a build would leave it in an upper folder."""
    top = os.fsencode(top)
    files = []
    for parts, kind, mode, owner, time_ns, xattrs, data, flag in specification:
        full = top + b"/" + b"/".join(parts)
        try:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            if kind == "folder":
                os.mkdir(full)
                if flag:
                    os.setxattr(full, "trusted.overlay.opaque", b"y")
            elif kind == "symlink":
                os.symlink(data.replace(b"\0", b"")[:200] or b"x", full)
            elif kind == "hardlink" and files:
                os.link(files[mode % len(files)], full)
                continue
            elif kind == "fifo":
                os.mkfifo(full)
            elif kind == "device":
                os.mknod(full, stat.S_IFCHR, os.makedev(1 + mode % 20, owner % 256))
            elif kind == "white":
                os.mknod(full, stat.S_IFCHR, 0)
                continue
            else:
                with open(full, "xb") as file:
                    file.write(data)
                files.append(full)
        except (FileExistsError, NotADirectoryError, FileNotFoundError):
            continue
        os.chown(full, owner, owner, follow_symlinks=False)
        if kind != "symlink":
            os.chmod(full, mode)
            if kind in ("file", "folder"):
                for key, value in xattrs.items():
                    os.setxattr(full, key, value)
        os.utime(full, ns=(time_ns, time_ns), follow_symlinks=False)


def without_marks_own_facts(found):
    """A whiteout has a place, nothing else, and none below an opaque folder."""
    opaque = [path + b"/" for path, facts in found.items() if facts["xattrs"].get("trusted.overlay.opaque")]
    found = {
        path: facts
        for path, facts in found.items()
        if facts.get("device") != (0, 0) or not any(path.startswith(folder) for folder in opaque)
    }
    return {path: ({"white": True} if facts.get("device") == (0, 0) else facts) for path, facts in found.items()}


@QUICK
@given(specification=nodes)
def test_what_was_packed_is_applied_to_the_same_tree(clean, specification):
    first, second = clean("first"), clean("second")
    build(first, specification)
    pieces = []
    packed = pack(first, pieces.append)
    applied = apply(io.BytesIO(b"".join(pieces)), second)

    assert applied.diff_id == packed.diff_id
    assert applied.stands_alone
    assert without_marks_own_facts(tree(first)) == without_marks_own_facts(tree(second))
    assert pack(second).diff_id == packed.diff_id


# Hostile tars

hostile_names = st.sampled_from(
    [b"a", b"b", b"..", b".", b"", b"link", b".wh.a", b".wh.", b".wh..wh..opq", b"up", b"abs"]
)
hostile_paths = st.lists(hostile_names, min_size=1, max_size=5).map(b"/".join)
hostile_targets = st.sampled_from(
    [
        b"..",
        b"../..",
        b"/",
        b"/..",
        b"../../canary",
        b"a",
        b"b/..",
        b"link",
        b"/proc/self/cwd",
        b"/var/tmp",
        b"../../../../../..",
        b"up/up",
    ]
)


def evil(kind, path, target, data, mode):
    if kind == "symlink":
        return symlink(path, target)
    if kind == "hardlink":
        return hardlink(path, target)
    if kind == "folder":
        return folder(os.fsdecode(path) + "/", mode=mode)
    if kind == "device":
        return device(path, mode % 3, mode % 5)
    return member(path, data, kind=b"0", mode=mode)


hostile_members = st.lists(
    st.builds(
        evil,
        st.sampled_from(["symlink", "symlink", "hardlink", "folder", "file", "file", "device"]),
        hostile_paths,
        st.one_of(hostile_targets, hostile_paths),
        st.binary(max_size=8),
        st.integers(0, 0o7777),
    ),
    min_size=1,
    max_size=10,
)


def state_of(path):
    status = os.lstat(path)
    return (status.st_mode, status.st_uid, status.st_mtime_ns, status.st_ctime_ns, status.st_nlink, os.listxattr(path))


@MANY
@given(members=hostile_members, device_marks=st.booleans())
def test_nothing_lands_outside_whatever_the_tar_says(clean, members, device_marks):
    top = clean("cage")
    for name in ("canary", "canary/fs", "canary/aside", "lower"):
        os.mkdir(f"{top}/{name}")
    for name in ("canary/file", "file", "lower/a"):
        with open(f"{top}/{name}", "wb") as file:
            file.write(b"canary")
    os.symlink("../canary", f"{top}/lower/up")
    outside = [
        top,
        "/var/tmp",
        f"{top}/canary/file",
        f"{top}/file",
        f"{top}/lower",
        f"{top}/lower/a",
        f"{top}/lower/up",
    ]
    before = [state_of(path) for path in outside[2:]]
    listed = sorted(os.listdir(top))
    data = archive(*members)
    recipe = RecipeWriter(f"{top}/canary/recipe")
    try:
        applied = apply(
            io.BytesIO(data),
            f"{top}/canary/fs",
            lower=[f"{top}/lower"],
            recipe=recipe,
            aside=f"{top}/canary/aside",
            device_marks=device_marks,
        )
        recipe.finish()
        pieces = []
        assert (
            replay(f"{top}/canary/recipe", f"{top}/canary/fs", f"{top}/canary/aside", pieces.append) == applied.diff_id
        )
        assert b"".join(pieces) == data
    except Corrupt:
        pass
    finally:
        recipe.abandon()

    assert [state_of(path) for path in outside[2:]] == before
    assert sorted(os.listdir(top)) == listed
    assert sorted(os.listdir(f"{top}/canary")) == ["aside", "file", "fs", "recipe"]


@MANY
@given(data=st.binary(max_size=3000), prefix=st.integers(0, 3))
def test_bytes_that_are_no_tar_end_in_an_error_or_an_empty_layer(clean, data, prefix):
    data = archive(folder("d"), member("d/f", b"x" * 600))[: prefix * 500] + data
    try:
        apply(io.BytesIO(data), clean())
    except Corrupt:
        pass


@MANY
@given(data=st.data())
def test_a_tar_with_flipped_bytes_ends_in_an_error_or_a_layer(clean, data):
    good = bytearray(
        archive(
            folder("d"),
            member("d/" + "f" * 200, b"x" * 600, mtime_ns=5, xattrs={b"user.a": b"1"}),
            symlink("l", "d"),
            hardlink("h", "d/" + "f" * 200),
        )
    )
    for position in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=4)):
        good[position] = data.draw(st.integers(0, 255))
    # A right checksum lets the damage through to where it can harm.
    for start in range(0, len(good), 512):
        if good[start + 257 : start + 262] == b"ustar":
            good[start + 148 : start + 156] = b" " * 8
            good[start + 148 : start + 156] = b"%06o\0 " % sum(good[start : start + 512])
    try:
        apply(io.BytesIO(bytes(good)), clean())
    except Corrupt:
        pass


# Headers


@MANY
@given(
    path=st.lists(plain_names, min_size=1, max_size=12).map(b"/".join),
    link=st.binary(max_size=300).map(lambda value: value.replace(b"\0", b"")),
    mode=st.integers(0, 0o7777),
    uid=owners,
    gid=owners,
    size=st.integers(0, 2**61),
    time_ns=st.integers(-(2**36) * 10**9, 2**36 * 10**9),
    xattrs=attributes,
)
def test_a_header_that_was_written_is_read_back(path, link, mode, uid, gid, size, time_ns, xattrs):
    entry = Entry()
    entry.path, entry.link, entry.mode, entry.uid, entry.gid = path, link, mode, uid, gid
    entry.size_bytes, entry.mtime_ns, entry.xattrs = size, time_ns, xattrs
    header = io.BytesIO(format_entry(entry))
    again = read_entry(header.read)

    assert again is not None
    for name in ("path", "link", "mode", "uid", "gid", "size_bytes", "mtime_ns", "xattrs", "kind"):
        assert getattr(again, name) == getattr(entry, name), name
    assert again.stored_bytes == size
    assert header.read() == b""


# Layers by themselves, merged by the kernel, against layers in a row on one tree

path_names = st.sampled_from(["a", "b", "c"])
paths = st.lists(path_names, min_size=1, max_size=3)
changes = st.lists(
    st.tuples(
        st.sampled_from(["file", "file", "folder", "folder", "white", "opaque", "symlink"]), paths, st.integers(0, 9)
    ),
    min_size=1,
    max_size=8,
)


def as_members(change):
    """Members of one layer, parents included (as all builders that diff trees write them)."""
    made = []
    known = {}
    for kind, parts, number in change:
        blocked = False
        for index in range(1, len(parts)):
            parent = "/".join(parts[:index])
            if known.get(parent, "folder") != "folder":
                blocked = True
                break
            if parent not in known:
                known[parent] = "folder"
                made.append(("folder", parent, 0))
        if blocked:
            continue
        path = "/".join(parts)
        if kind in ("file", "folder", "symlink"):
            if known.get(path, kind) != kind and kind != "folder":
                for inside in [name for name in known if name.startswith(path + "/")]:
                    del known[inside]
            known[path] = kind
        elif kind == "opaque" and known.get(path) != "folder":
            continue
        made.append((kind, path, number))
    return made


def one(kind, path, number):
    parent, _, name = path.rpartition("/")
    parent = parent + "/" if parent else ""
    if kind == "file":
        return member(path, b"%d" % number)
    if kind == "folder":
        return folder(path, mode=0o700 + number)
    if kind == "symlink":
        return symlink(path, f"t{number}")
    return member(f"{parent}.wh.{name}") if kind == "white" else member(f"{path}/.wh..wh..opq")


def in_a_row(model, layer):
    """What an engine does that applies layers onto one tree; *model*: path → (kind, number)."""
    own = set()

    def remove(path, *, spare_own):
        for name in [name for name in model if name == path or name.startswith(path + "/")]:
            if not (spare_own and name in own):
                del model[name]

    for kind, path, number in layer:
        if kind == "white":
            remove(path, spare_own=True)
        elif kind == "opaque":
            for name in [name for name in model if name.startswith(path + "/") and name not in own]:
                del model[name]
        else:
            if kind != "folder" or model.get(path, ("",))[0] != "folder":
                remove(path, spare_own=False)
            model[path] = (kind, number)
            own.add(path)


def shown(top):
    found = {}
    for path, facts in tree(top).items():
        mode = int(facts["mode"], 8)
        if stat.S_ISDIR(mode):
            found[path.decode()] = ("folder", stat.S_IMODE(mode) - 0o700)
        elif stat.S_ISLNK(mode):
            found[path.decode()] = ("symlink", int(facts["link"][1:]))
        else:
            found[path.decode()] = ("file", int(facts["data"]))
    return found


@MANY
@given(layers=st.lists(changes, min_size=1, max_size=4))
def test_layers_unpacked_alone_and_merged_are_the_layers_in_a_row(clean, layers):
    top = clean("stack")
    model = {}
    folders = []
    for index, change in enumerate(layers):
        layer = as_members(change)
        os.mkdir(f"{top}/{index}")
        apply(io.BytesIO(archive(*(one(*item) for item in layer))), f"{top}/{index}", lower=folders[::-1])
        folders.insert(0, f"{top}/{index}")
        in_a_row(model, layer)
    os.mkdir(f"{top}/empty")
    os.mkdir(f"{top}/merged")
    options = (f"lowerdir={join_layers([*folders, f'{top}/empty'])}", *OVERLAY_OPTIONS)
    with mounted([Mount("overlay", "overlay", "", options)], f"{top}/merged"):
        assert shown(f"{top}/merged") == model


@QUICK
@given(pieces=st.lists(payloads, max_size=6), name=st.sampled_from(["gzip", "zstd", ""]), threads=st.integers(1, 4))
def test_decompression_undoes_compression(pieces, name, threads):
    # What it holds is known from its first bytes; plain data is a tar, known by the magic of its first header.
    data = member(b"(\xb5/\xfd \x1f\x8b", b"".join(pieces))
    out = []
    with compress(name, out.append, threads=threads) as compressor:
        for start in range(0, len(data), 700):
            compressor.write(data[start : start + 700])

    assert open_decoded(io.BytesIO(b"".join(out))).read() == data
