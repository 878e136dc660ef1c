"""The throw-away lowest layer."""

import os

from teul.oci.runtime import Mount
from teul.runtime.mountpoints import with_mountpoints

OVERLAY = Mount("overlay", "overlay", "", (r"lowerdir=/a\:b:/c", "upperdir=/u", "workdir=/w"))


def test_missing_mount_points_come_from_one_more_lowest_layer(tmp_path):
    (tmp_path / "file").write_text("x")
    mounts = [
        Mount("bind", str(tmp_path / "file"), "/etc/hosts"),
        Mount("bind", str(tmp_path), "/opt/data"),
        Mount("tmpfs", "tmpfs", "/cache"),
        Mount("bind", str(tmp_path), "/dev/.teul/x"),
    ]

    (made,) = with_mountpoints([OVERLAY], mounts, str(tmp_path / "layers"))

    layer = made.options[0].rpartition(":")[2]
    assert r"lowerdir=/a\:b:/c:" + layer == made.options[0]
    assert sorted(os.listdir(layer)) == ["cache", "dev", "etc", "opt", "proc", "sys"]
    assert os.listdir(f"{layer}/dev") == []
    assert os.path.isfile(f"{layer}/etc/hosts")
    assert os.path.isdir(f"{layer}/opt/data")


def test_the_same_targets_share_a_layer(tmp_path):
    mounts = [Mount("tmpfs", "tmpfs", "/cache")]

    assert with_mountpoints([OVERLAY], mounts, str(tmp_path)) == with_mountpoints([OVERLAY], mounts, str(tmp_path))
    assert len(os.listdir(tmp_path)) == 1


def test_a_rootfs_that_is_no_overlay_is_left_as_it_is(tmp_path):
    bind = Mount("bind", "/x", "", ("rbind",))

    assert (bind,) == with_mountpoints([bind], [Mount("tmpfs", "tmpfs", "/cache")], str(tmp_path))


def test_a_missing_mount_point_of_memory_has_its_mode(tmp_path):
    mounts = [Mount("tmpfs", "tmpfs", "/cache"), Mount("tmpfs", "tmpfs", "/mine", ("nodev", "mode=0700"))]

    (made,) = with_mountpoints([OVERLAY], mounts, str(tmp_path))

    layer = made.options[0].rpartition(":")[2]
    assert [os.stat(f"{layer}/{name}").st_mode & 0o7777 for name in ("cache", "mine", "proc")] == [0o1777, 0o700, 0o755]
