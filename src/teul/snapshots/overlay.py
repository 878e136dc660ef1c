"""Layers as folders in overlay's format, merged by the kernel. Must not pull, compress or know images.

On disk, beside what `teul.snapshots.folders` says: `<id>/work` (active only), and `empty`, a folder that stays empty.
"""

from __future__ import annotations

import os

from teul.host.fs import crash_point, fsync_folder
from teul.oci.runtime import Mount
from teul.snapshots.folders import FolderSnapshotter, measure
from teul.state import snapshots as rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.oci.digest import Digest


class OverlaySnapshotter(FolderSnapshotter):
    """Layers merged by overlayfs; an active snapshot is an upper folder."""

    kind = "overlay"

    def prepare(self, key: str, parents: Sequence[str]) -> None:
        """Make an active snapshot. Raises: AlreadyExists, SnapshotNotFound."""
        place, lock = self.new_folder()
        with lock:
            try:
                folder = f"{self.root}/{place}"
                os.mkdir(f"{folder}/fs", 0o755)
                os.mkdir(f"{folder}/work", 0o700)
                if parents:
                    # The merged root folder shows the upper-most one's mode and owner.
                    status = os.stat(self.fs(rows.folders(self.db, parents[-1:])[0]))
                    os.chmod(f"{folder}/fs", status.st_mode & 0o7777)
                    os.chown(f"{folder}/fs", status.st_uid, status.st_gid)
                fsync_folder(folder)
                fsync_folder(self.root)
                rows.add(self.db, name=key, kind="active", folder=place, parents=parents)
            except BaseException:
                self.throw_away(place)
                raise
        crash_point("snapshot-prepared")

    def mounts(self, key: str) -> tuple[Mount, ...]:
        """How to mount an active snapshot read-write (targets are "")."""
        from teul.host.mount import OVERLAY_OPTIONS, join_layers

        row = rows.get(self.db, key, "active")
        lower = self.stack(row.parents)
        options = (
            f"lowerdir={join_layers(lower or [self._empty()])}",
            f"upperdir={self.fs(row.folder)}",
            f"workdir={self.root}/{row.folder}/work",
        )
        return (Mount("overlay", "overlay", "", (*options, *OVERLAY_OPTIONS)),)

    def view(self, parents: Sequence[str]) -> tuple[Mount, ...]:
        """How to mount a stack of layers read-only; makes nothing."""
        from teul.host.mount import OVERLAY_OPTIONS, join_layers

        lower = self.stack(parents)
        # Overlay wants two lower folders when there is no upper one.
        lower.append(self._empty())
        if not parents:
            return (Mount("bind", lower[0], "", ("rbind", "ro")),)
        return (Mount("overlay", "overlay", "", (f"lowerdir={join_layers(lower)}", "ro", *OVERLAY_OPTIONS)),)

    def upper(self, key: str) -> str:
        """The folder that holds only what was written to the active snapshot *key*, in overlay's format; live."""
        return self.fs(rows.get(self.db, key, "active").folder)

    def commit(self, key: str, diff_id: Digest, *, tar_size_bytes: int) -> str:
        """Make what was written the layer *diff_id* and end *key*; the caller made sure that the upper folder gives
        exactly the tar of that digest (`teul.layers.pack`). A layer that exists already is kept. Returns its name.
        """
        from teul.host.fs import remove_tree, sync_filesystem

        row = rows.get(self.db, key, "active")
        name = str(diff_id)
        if self.touch(name):
            self.remove(key)
            return name
        size_bytes, inodes = measure(self.fs(row.folder))
        crash_point("snapshot-measured")
        remove_tree(f"{self.root}/{row.folder}/work")
        sync_filesystem(f"{self.root}/{row.folder}")
        crash_point("snapshot-flushed")
        data = {"tar": "canonical", "tar_size_bytes": tar_size_bytes}
        if not rows.commit(self.db, key, name=name, size_bytes=size_bytes, inodes=inodes, data=data):
            self.touch(name)
            self.remove(key)
        crash_point("snapshot-committed")
        return name

    def _empty(self) -> str:
        path = f"{self.root}/empty"
        if not os.path.isdir(path):
            self._lock(shared=True).release()
        return path
