import os

import pytest

from teul.config import Settings
from teul.errors import Corrupt, HostLacks, InvalidInput
from teul.host import mount
from teul.snapshots.select import open_snapshotter
from teul.state.db import Database

pytestmark = pytest.mark.needs_root


@pytest.fixture
def make(tmp_path):
    opened = []

    def make(kind=""):
        settings = Settings.from_environ({"TEUL_ROOT": str(tmp_path / "root"), "TEUL_SNAPSHOTTER": kind})
        opened.append(Database.open(settings.database))
        return open_snapshotter(settings, opened[-1])

    yield make
    for db in opened:
        db.close()


def test_overlay_is_taken_where_it_works_and_remembered(make, tmp_path, monkeypatch):
    assert make().kind == "overlay"
    monkeypatch.setattr(mount, "is_overlay_supported", lambda _: pytest.fail("it was tried again"))

    assert make().kind == "overlay"
    assert (tmp_path / "root/snapshots/kind").read_text() == "overlay\n"


def test_native_is_taken_where_overlay_does_not_work(make, monkeypatch):
    monkeypatch.setattr(mount, "is_overlay_supported", lambda _: False)

    assert make().kind == "native"
    with pytest.raises(InvalidInput, match="this state folder has `native`"):
        make("overlay")


def test_what_was_asked_for_is_taken_or_refused(make, monkeypatch):
    with pytest.raises(InvalidInput, match="expected overlay or native"):
        make("btrfs")
    with monkeypatch.context() as patch:
        patch.setattr(mount, "is_overlay_supported", lambda _: False)
        with pytest.raises(HostLacks):
            make("overlay")
    assert make("native").kind == "native"
    assert make().kind == "native"


def test_a_damaged_memory_is_named(make, tmp_path):
    os.makedirs(tmp_path / "root/snapshots")
    (tmp_path / "root/snapshots/kind").write_text("zfs\n")

    with pytest.raises(Corrupt, match="zfs"):
        make()
