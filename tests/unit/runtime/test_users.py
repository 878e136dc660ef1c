"""Users as Docker resolves them, read inside the rootfs. Spec: image-spec v1.1 config.md, "User"."""

import os

import pytest

from teul.errors import InvalidInput
from teul.runtime.users import DEFAULT_PATH, User, image_environment, resolve_user

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n# a comment\nbroken\napp:x:1000:1000:,,:/home/app:/bin/sh\n7:x:70:70::/seven:\n"
)
GROUP = "root:x:0:\nadm:x:4:app,other\napp:x:1000:\nvideo:x:44:app\n"


@pytest.fixture
def rootfs(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("word", "user"),
    [
        ("", User(0, 0, (), "/root", "root")),
        ("app", User(1000, 1000, (4, 44), "/home/app", "app")),
        ("1000", User(1000, 1000, (4, 44), "/home/app", "app")),
        ("app:adm", User(1000, 4, (), "/home/app", "app")),
        ("app:7777", User(1000, 7777, (), "/home/app", "app")),
        ("4242", User(4242, 0, (), "/", "")),
        ("4242:4343", User(4242, 4343, (), "/", "")),
        (":adm", User(0, 4, (), "/root", "root")),
    ],
)
def test_users_by_name_and_number(rootfs, word, user):
    assert user == resolve_user(rootfs, word)


@pytest.mark.parametrize("word", ["nobody", "app:none", "2147483648", "root:2147483648"])
def test_who_is_not_there_is_refused(rootfs, word):
    with pytest.raises(InvalidInput):
        resolve_user(rootfs, word)


def test_groups_can_be_added(rootfs):
    assert resolve_user(rootfs, "app", additional=["video", "99"]).groups == (4, 44, 99)


def test_an_image_without_users_has_root(tmp_path):
    assert User(0, 0, (), "/", "") == resolve_user(str(tmp_path), "")
    assert User(5, 0, (), "/", "") == resolve_user(str(tmp_path), "5")


def test_a_link_out_of_the_rootfs_stays_inside(tmp_path, rootfs):
    (tmp_path / "etc/passwd").unlink()
    os.symlink("/etc/shadow-passwd", tmp_path / "etc/passwd")
    (tmp_path / "etc/shadow-passwd").write_text("root:x:0:0:root:/inside:/bin/sh\n")

    assert resolve_user(rootfs, "").home == "/inside"


def test_a_pipe_for_a_passwd_does_not_hang(tmp_path, rootfs):
    (tmp_path / "etc/passwd").unlink()
    os.mkfifo(tmp_path / "etc/passwd")

    assert resolve_user(rootfs, "").uid == 0


def test_the_environment_begins_with_dockers_own():
    assert (f"PATH={DEFAULT_PATH}", "HOSTNAME=h", "TERM=xterm", "A=1", "HOME=/root") == image_environment(
        ["A=1"], hostname="h", home="/root", terminal=True
    )


def test_later_entries_win_and_a_bare_name_takes_away():
    assert image_environment(["PATH=/bin", "A=1", "B=1"], ["A=2", "B", "HOME=/x"], home="/root") == (
        "PATH=/bin",
        "A=2",
        "HOME=/x",
    )
