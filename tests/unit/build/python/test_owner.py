"""Whom an install runs as, and what the kernel would let it do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teul.build.python.owner import Owner, check_access, doubt_of_home, give
from teul.errors import UnusualWheel
from teul.layers.lower import Lower

ME = Owner(4242, 777, (50,), "/home/me", "me")


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [
        (0o755, 4242, 0, True),
        (0o577, 4242, 0, False),  # the owner's bits count, and no others
        (0o775, 0, 777, True),
        (0o757, 0, 777, False),
        (0o775, 0, 50, True),
        (0o757, 0, 0, True),
        (0o755, 0, 0, False),
    ],
)
def test_the_first_class_that_fits_counts(mode: int, uid: int, gid: int, may: bool) -> None:
    assert ME.may(status(mode, uid, gid), os.W_OK | os.X_OK) is may
    assert Owner().may(status(mode, uid, gid), os.W_OK)


@pytest.mark.needs_root
def test_what_is_out_of_reach_is_left_to_the_command(tmp_path: Path) -> None:
    for name, mode in (
        ("mine", 0o755),
        ("theirs", 0o755),
        ("hidden", 0o700),
        ("hidden/mine", 0o755),
        ("group", 0o2775),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    for name in ("mine", "hidden/mine", "group"):
        os.chown(tmp_path / name, ME.uid, ME.gid)
    lower = Lower([str(tmp_path)])

    check_access(ME, {"mine": True, "theirs": False, "nowhere": True}, lower)
    check_access(Owner(), {"theirs": True, "hidden/mine": True}, lower)
    for folder in ("theirs", "hidden/mine", "group"):
        with pytest.raises(UnusualWheel):
            check_access(ME, {folder: True}, lower)
    with pytest.raises(UnusualWheel):
        check_access(Owner(), {"group": True}, lower)


@pytest.mark.needs_root
def test_what_is_made_becomes_the_owners(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("x")
    (tmp_path / "a/link").symlink_to("/etc/passwd")
    give(ME, str(tmp_path))

    assert {(item.lstat().st_uid, item.lstat().st_gid) for item in tmp_path.rglob("*")} == {(ME.uid, ME.gid)}
    assert os.stat("/etc/passwd").st_uid == 0


def test_where_a_cache_is_known_to_be() -> None:
    assert doubt_of_home(ME, {}, keeps_cache=True) is None
    assert doubt_of_home(ME, {"HOME": "/home/me"}, keeps_cache=True) is None
    assert doubt_of_home(ME, {"HOME": "/srv"}, keeps_cache=False) is not None
    assert doubt_of_home(Owner(1, 1, (), "/srv", "s"), {}, keeps_cache=True) is not None
    assert doubt_of_home(Owner(1, 1, (), "/srv", "s"), {}, keeps_cache=False) is None
