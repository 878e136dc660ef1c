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
A_FILE = -1
FOLDER_MODE = 0o755
MEMORY_MODE = 0o1777
"""Of a tmpfs that nobody gave a mode. Runtimes give a tmpfs the mode of the folder that it covers."""


def with_mountpoints(rootfs_mounts: Sequence[Mount], mounts: Iterable[Mount], folder: str) -> tuple[Mount, ...]:
    """*rootfs_mounts* with one more lowest layer that has the targets of *mounts*.

    The layers lie below *folder*, one for each set of targets, and are kept: nearly all containers share one.
    A target below a mount, and one under `/dev`, `/proc` or `/sys`, needs none.
    """
    place = next((index for index, item in enumerate(rootfs_mounts) if item.type == "overlay"), None)
    if place is None:
        return tuple(rootfs_mounts)
    targets = dict.fromkeys(STANDARD_FOLDERS, FOLDER_MODE)
    for mount in mounts:
        target = os.path.normpath("/" + mount.target.lstrip("/"))
        if target != "/" and not target.startswith(tuple(path + "/" for path in STANDARD_FOLDERS)):
            if mount.type in ("bind", "none") and not os.path.isdir(mount.source):
                targets[target] = A_FILE
            else:
                targets[target] = mode_of(mount.options, MEMORY_MODE) if mount.type == "tmpfs" else FOLDER_MODE
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


def mode_of(options: Iterable[str], default: int) -> int:
    """What the mount option `mode=` says, in octal as the kernel reads it; *default* when it is not there or no number."""
    for option in options:
        if option.startswith("mode="):
            try:
                return int(option.removeprefix("mode="), 8) & 0o7777
            except ValueError:
                break
    return default


def _layer(targets: Mapping[str, int], folder: str) -> str:
    """The folder that has *targets* (path → mode of a folder, or `A_FILE`), made beside and renamed when it is missing."""
    name = Digest.of(repr(sorted(targets.items())).encode()).hex[:16]
    layer = f"{folder}/{name}"
    if os.path.isdir(layer):
        return layer
    beside = f"{folder}/.{name}-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        for target, mode in sorted(targets.items()):
            is_file = mode == A_FILE
            os.makedirs(beside + (os.path.dirname(target) if is_file else target), mode=0o755, exist_ok=True)
            if is_file and not os.path.lexists(beside + target):
                os.close(os.open(beside + target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        # Folders that the image lacks take their mode from here, whatever our umask is.
        for path, _, files in os.walk(beside):
            os.chmod(path, targets.get(path.removeprefix(beside), FOLDER_MODE))
            for file in files:
                os.chmod(f"{path}/{file}", 0o644)
        os.rename(beside, layer)
    except OSError:
        if not os.path.isdir(layer):
            raise
        from teul.host.fs import remove_tree

        remove_tree(beside)
    return layer
