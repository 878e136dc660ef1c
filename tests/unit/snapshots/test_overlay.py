import os

import pytest

from suites.layers import archive, folder, member
from suites.snapshotter import SnapshotterSuite
from teul.snapshots.overlay import OverlaySnapshotter

pytestmark = pytest.mark.needs_root


class TestOverlaySnapshotter(SnapshotterSuite):
    def make(self, root, db):
        return OverlaySnapshotter(root, db)

    def test_hundreds_of_layers_merge(self, snapshots, tmp_path):
        names = self.unpack(
            snapshots, *(archive(folder("d"), member(f"d/{number}", b"%d" % number)) for number in range(130))
        )
        snapshots.prepare("k", names)
        with self.seen(snapshots.mounts("k"), tmp_path) as place:
            assert len(os.listdir(place / "d")) == 130

    def test_folder_names_are_short(self, snapshots):
        (name,) = self.unpack(snapshots, archive(member("a", b"1")))

        assert len(os.path.relpath(snapshots.layer(name).folder, snapshots.root)) <= 9

    def test_an_upper_folder_is_live(self, snapshots):
        snapshots.prepare("k", [])
        with open(f"{snapshots.upper('k')}/file", "w"):
            pass

        assert os.listdir(snapshots.upper("k")) == ["file"]
