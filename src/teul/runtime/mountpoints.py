"""Mount points that an image lacks, out of a throw-away lowest layer, so that they are never in its changes.

A runtime makes a missing mount point in the rootfs, that is, in the upper folder of the overlay, where the next commit
would find it. A lowest layer that holds only empty folders and files gives the same mount points and leaves no trace:
a mount on a merged folder copies nothing up. Must not be used for a rootfs that is no overlay; it is left as it is.
"""

from __future__ import annotations

import os

from teul.host.mount import join_layers, split_layers
from teul.oci.digest import Digest
from teul.oci.runtime import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STANDARD_FOLDERS = ("/proc", "/sys", "/dev")


def with_mountpoints(rootfs_mounts: Sequence[Mount], mounts: Iterable[Mount], folder: str) -> tuple[Mount, ...]:
    """*rootfs_mounts* with one more lowest layer that has the targets of *mounts*.

    The layers lie below *folder*, one for each set of targets, and are kept: nearly all containers share one.
    A target below a mount, and one under `/dev`, `/proc` or `/sys`, needs none.
    """
    place = next((index for index, item in enumerate(rootfs_mounts) if item.type == "overlay"), None)
    if place is None:
        return tuple(rootfs_mounts)
    targets = dict.fromkeys(STANDARD_FOLDERS, False)
    for mount in mounts:
        target = os.path.normpath("/" + mount.target.lstrip("/"))
        if target != "/" and not target.startswith(tuple(path + "/" for path in STANDARD_FOLDERS)):
            targets[target] = mount.type in ("bind", "none") and not os.path.isdir(mount.source)
    layer = _layer(targets, folder)
    overlay = rootfs_mounts[place]
    options = []
    for option in overlay.options:
        if option.startswith("lowerdir="):
            lowers = split_layers(option.removeprefix("lowerdir="))
            option = "lowerdir=" + join_layers([*lowers, layer])
        options.append(option)
    changed = Mount(overlay.type, overlay.source, overlay.target, tuple(options))
    return (*rootfs_mounts[:place], changed, *rootfs_mounts[place + 1 :])


def _layer(targets: Mapping[str, bool], folder: str) -> str:
    """The folder that has *targets* (path → whether it is a file), made beside and renamed when it is missing."""
    name = Digest.of(repr(sorted(targets.items())).encode()).hex[:16]
    layer = f"{folder}/{name}"
    if os.path.isdir(layer):
        return layer
    beside = f"{folder}/.{name}-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        for target, is_file in sorted(targets.items()):
            os.makedirs(beside + (os.path.dirname(target) if is_file else target), mode=0o755, exist_ok=True)
            if is_file and not os.path.lexists(beside + target):
                os.close(os.open(beside + target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        # Folders that the image lacks take their mode from here, whatever our umask is.
        for path, _, files in os.walk(beside):
            os.chmod(path, 0o755)
            for file in files:
                os.chmod(f"{path}/{file}", 0o644)
        os.rename(beside, layer)
    except OSError:
        if not os.path.isdir(layer):
            raise
        from teul.host.fs import remove_tree

        remove_tree(beside)
    return layer
