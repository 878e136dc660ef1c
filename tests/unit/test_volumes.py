"""`-v`, `--mount`, `--tmpfs` and sizes, as Docker reads them."""

import os

import pytest

from teul.errors import InvalidInput, OptionUnsupported
from teul.volumes import MountPoint, parse_mount, parse_size, parse_tmpfs, parse_volume


def test_an_absolute_source_is_a_bind():
    assert MountPoint(kind="bind", source="/srv", target="/data", readonly=True, options=("rslave",)) == parse_volume(
        "/srv:/data:ro,rslave"
    )


@pytest.mark.parametrize(
    ("word", "source"), [("./x:/d", "/work/x"), ("../x:/d", "/x"), (".:/d", "/work"), ("/a/../b:/d", "/b")]
)
def test_a_relative_source_is_below_the_working_folder(word, source):
    assert source == parse_volume(word, cwd="/work").source


def test_a_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")

    assert parse_volume("~/data:/d").source == "/home/me/data"


def test_a_word_without_a_slash_is_a_volume():
    assert MountPoint(kind="volume", name="models", target="/m", copy=False) == parse_volume("models:/m:nocopy")


def test_a_target_alone_is_an_anonymous_volume():
    assert MountPoint(kind="volume", target="/m", anonymous=True) == parse_volume("/m")


@pytest.mark.parametrize("option", ["z", "Z", "cached", "rw"])
def test_options_that_mean_nothing_here_are_taken(option):
    assert not parse_volume(f"/a:/b:{option}").readonly


@pytest.mark.parametrize(
    "word", ["", ":", "a:b", "/a:/b:ro:x", "/a:/", "/a:b", "a b:/c", "x:/c", "/a:/b:wrong", "/a::ro"]
)
def test_wrong_volumes_are_refused(word):
    with pytest.raises(InvalidInput):
        parse_volume(word)


@pytest.mark.parametrize("option", ["shared", "rshared"])
def test_a_propagation_that_would_not_happen_is_refused_by_name(option):
    with pytest.raises(OptionUnsupported):
        parse_volume(f"/a:/b:{option}")


def test_mounts_of_the_three_kinds():
    assert MountPoint(
        kind="bind", source="/srv", target="/d", readonly=True, options=("rprivate",), make_source=False
    ) == parse_mount("type=bind,source=/srv,target=/d,readonly")
    assert MountPoint(kind="volume", name="models", target="/m") == parse_mount("src=models,dst=/m")
    assert MountPoint(
        kind="tmpfs", target="/t", options=("noexec", "nosuid", "nodev", "size=1048576", "mode=0700")
    ) == parse_mount("type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=0700")


def test_a_quoted_field_may_hold_a_comma():
    assert parse_mount('type=bind,"source=/a,b",target=/d').source == "/a,b"


@pytest.mark.parametrize("word", ["type=bind,target=/d", "type=bind,source=/a", "type=x,target=/d", "foo=1,target=/d",
                                  "type=tmpfs,source=a,target=/d", "target=d"])  # fmt: skip
def test_wrong_mounts_are_refused(word):
    with pytest.raises(InvalidInput):
        parse_mount(word)


@pytest.mark.parametrize("word", ["type=npipe,source=a,target=/d", "type=volume,volume-driver=x,target=/d",
                                  "type=bind,source=/a,target=/d,bind-propagation=shared"])  # fmt: skip
def test_mounts_that_are_not_done_are_refused_by_name(word):
    with pytest.raises(OptionUnsupported):
        parse_mount(word)


def test_an_image_is_mounted_read_only():
    made = parse_mount("type=image,source=python:3.11,target=/py,image-subpath=usr/lib")

    assert (
        made.kind, made.source, made.target, made.readonly, made.subpath
    ) == ("image", "python:3.11", "/py", True, "usr/lib")  # fmt: skip


def test_a_tmpfs_has_dockers_defaults():
    assert parse_tmpfs("/t").options == ("noexec", "nosuid", "nodev")
    assert parse_tmpfs("/t:exec,size=64k").options == ("nosuid", "nodev", "exec", "size=65536")
    assert parse_tmpfs("/t:ro").readonly


def test_a_tmpfs_option_that_does_not_exist_is_refused():
    with pytest.raises(InvalidInput):
        parse_tmpfs("/t:lowerdir=/etc")


@pytest.mark.parametrize(
    ("word", "size"),
    [
        ("64m", 64 << 20),
        ("1g", 1 << 30),
        ("512kb", 512 << 10),
        ("1.5GiB", 3 << 29),
        ("1024", 1024),
        ("0", 0),
        ("7b", 7),
    ],
)
def test_sizes_count_in_powers_of_1024(word, size):
    assert size == parse_size(word)


@pytest.mark.parametrize("word", ["", "m", "12x", "1mm", "-5m", "1e9", "0x10"])
def test_what_is_no_size_is_refused(word):
    with pytest.raises(InvalidInput):
        parse_size(word)


def test_a_mount_point_survives_json():
    import json

    from teul.engine.containers.record import _plain

    point = parse_volume("/srv:/data:ro")
    assert point == MountPoint.from_json(json.loads(json.dumps(_plain(point))))
    assert os.path.isabs(point.source)
