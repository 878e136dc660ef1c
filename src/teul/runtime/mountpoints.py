"""Mount points that an image lacks, out of a throw-away lowest layer, so that they are never in its changes.

A runtime makes a missing mount point in the rootfs, that is, in the upper folder of the overlay, where the next commit
would find it. A lowest layer that holds only empty folders and files gives the same mount points and leaves no trace:
a mount on a merged folder copies nothing up. Must not be used for a rootfs that is no overlay; it is left as it is.
"""

from __future__ import annotations

import os

from teul.host.mount import join_layers, split_layers
from teul.oci.runtime import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STANDARD_FOLDERS = ("/proc", "/sys", "/dev")


def with_mountpoints(rootfs_mounts: Sequence[Mount], mounts: Iterable[Mount], folder: str) -> tuple[Mount, ...]:
    """*rootfs_mounts* with one more lowest layer, made below *folder*, that has the targets of *mounts*.

    A target below a mount, and one under `/dev`, `/proc` or `/sys`, needs none.
    """
    place = next((index for index, item in enumerate(rootfs_mounts) if item.type == "overlay"), None)
    if place is None:
        return tuple(rootfs_mounts)
    root = f"{folder}/mountpoints"
    # Folders that the image lacks take their mode from here, and the image's may not be narrower than it says.
    umask = os.umask(0)
    try:
        os.makedirs(root, mode=0o755, exist_ok=True)
        for path in STANDARD_FOLDERS:
            os.makedirs(root + path, mode=0o755, exist_ok=True)
        for mount in mounts:
            target = os.path.normpath("/" + mount.target.lstrip("/"))
            if target == "/" or target.startswith(tuple(path + "/" for path in STANDARD_FOLDERS)):
                continue
            is_file = mount.type in ("bind", "none") and not os.path.isdir(mount.source)
            os.makedirs(root + (os.path.dirname(target) if is_file else target), mode=0o755, exist_ok=True)
            if is_file and not os.path.lexists(root + target):
                os.close(os.open(root + target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    finally:
        os.umask(umask)
    overlay = rootfs_mounts[place]
    options = []
    for option in overlay.options:
        if option.startswith("lowerdir="):
            lowers = split_layers(option.removeprefix("lowerdir="))
            option = "lowerdir=" + join_layers([*lowers, root])
        options.append(option)
    changed = Mount(overlay.type, overlay.source, overlay.target, tuple(options))
    return (*rootfs_mounts[:place], changed, *rootfs_mounts[place + 1 :])
