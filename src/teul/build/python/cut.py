"""Commit what an install wrote as several layers (see `teul.build.python.split` for the rule)."""

from __future__ import annotations

from teul.build.python.split import OWN_LAYER_BYTES, find_distributions, group, move, prune
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass

    from teul.layers.lower import Lower
    from teul.snapshots.protocol import Snapshotter
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A committed layer, and which distributions it holds (`pandas 2.2.2`)."""

    name: str
    diff_id: Digest
    size_bytes: int


def cut(
    snapshots: Snapshotter,
    key: str,
    upper: str,
    *,
    lower: Lower,
    layers_below: int,
    epoch: int,
    hold: Callable[[str, str], None],
) -> list[Piece]:
    """Move what belongs to Python distributions out of *upper*, into layers that are committed.

    *upper* is what the snapshotter gave for the active snapshot *key*; the caller has normalised it and commits what
    is left of it on top. An environment smaller than one layer of
    its own is left whole. A crash leaves active snapshots whose lease died with us.
    """
    from teul.layers import pack

    distributions = find_distributions(upper)
    if sum(item.size_bytes for item in distributions) < OWN_LAYER_BYTES:
        return []
    pieces: list[Piece] = []
    folders: set[str] = set()
    for number, members in enumerate(group(distributions, layers_below=layers_below)):
        piece = f"{key}-{number}"
        hold("snapshot", piece)
        snapshots.prepare(piece, ())
        try:
            target = snapshots.upper(piece)
            folders |= move(upper, members.files, target, mtime_s=epoch, notes=members.notes)
            packed = pack(target)
            hold("layer", packed.diff_id)
            snapshots.commit(piece, packed.diff_id, tar_size_bytes=packed.tar_size_bytes)
        finally:
            snapshots.remove(piece)
        pieces.append(Piece(members.name, packed.diff_id, packed.size_bytes))
    prune(upper, folders, lower, mtime_s=epoch)
    return pieces
