import os

import pytest

from suites.snapshotter import BASE, SnapshotterSuite
from teul.snapshots.native import NativeSnapshotter

pytestmark = pytest.mark.needs_root


class TestNativeSnapshotter(SnapshotterSuite):
    def make(self, root, db):
        return NativeSnapshotter(root, db)

    def test_a_change_that_hides_its_time_is_found(self, snapshots, tmp_path):
        """Same size, same mtime: only the inode's ctime tells."""
        snapshots.prepare("k", self.unpack(snapshots, BASE))
        with self.seen(snapshots.mounts("k"), tmp_path) as place:
            status = os.stat(place / "etc/hosts")
            (place / "etc/hosts").write_bytes(b"BASE")
            os.utime(place / "etc/hosts", ns=(status.st_mtime_ns, status.st_mtime_ns))

        assert os.listdir(snapshots.upper("k")) == ["etc"]
        assert os.listdir(snapshots.upper("k") + "/etc") == ["hosts"]
