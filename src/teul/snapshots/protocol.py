"""What a snapshotter promises (the life of a snapshot stands in the package's docstring)."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol

    from teul.layers import Source
    from teul.oci.digest import Digest
    from teul.oci.runtime import Mount
else:
    Protocol = object


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """A committed layer. `tar_size_bytes` is the size of its uncompressed tar."""

    name: str
    diff_id: Digest
    folder: str
    size_bytes: int
    inodes: int
    tar_size_bytes: int
    created_at: float


class Snapshotter(Protocol):
    """Implementations: overlay (`fs` folders in overlay's own format), native (plain copies)."""

    kind: str

    def resolve(self, diff_ids: Sequence[Digest]) -> tuple[str, ...]:
        """The layer names, bottom first, of a stack.

        Raises:
            SnapshotNotFound: the first layer that is not here (its diff id).
        """

    def has(self, diff_ids: Sequence[Digest]) -> bool:
        """Whether all layers of the stack are here."""

    def prepare(self, key: str, parents: Sequence[str]) -> None:
        """Make an active snapshot. Raises: AlreadyExists, SnapshotNotFound."""

    def mounts(self, key: str) -> tuple[Mount, ...]:
        """How to mount an active snapshot read-write (targets are "")."""

    def view(self, parents: Sequence[str]) -> tuple[Mount, ...]:
        """How to mount a stack of layers read-only; makes nothing."""

    def upper(self, key: str) -> str:
        """The folder that holds only what was written to the active snapshot *key*, in overlay's format.

        For overlay it is live (changes made to it before mounting or after unmounting count). For native it is
        computed at the call.
        """

    def commit(self, key: str, diff_id: Digest, *, tar_size_bytes: int) -> str:
        """Make what was written the layer *diff_id* and end *key*; the caller made sure that the upper folder gives
        exactly the tar of that digest (`teul.layers.pack`). A layer that exists already is kept. Returns its name.
        """

    def unpack(self, stream: Source, diff_id: Digest, below: Sequence[str]) -> str:
        """Extract one uncompressed layer tar (a binary stream, read to its end, verified against *diff_id*) and commit
        it with the recipe that gives the same tar again. *below*: the names of the layers under it. Idempotent.

        Raises:
            DigestMismatch, MalformedLayer, UnsafePath: nothing is left behind.
        """

    def tar(self, name: str, write: Callable[[bytes], object] | None = None) -> None:
        """Stream the layer's exact tar into *write*, verified against its diff id (without *write*: only verified).

        Raises:
            DigestMismatch: the folder was tampered with.
        """

    def layer(self, name: str) -> LayerInfo:
        """Raises: SnapshotNotFound."""

    def keys(self) -> Iterator[str]:
        """Active snapshots."""

    def layers(self) -> Iterator[LayerInfo]: ...

    def usage_bytes(self, key: str) -> int:
        """Bytes written to an active snapshot."""

    def remove(self, name: str) -> None:
        """Remove an active snapshot, or a layer that no active snapshot stands on; idempotent.

        Raises:
            SnapshotInUse: names who uses it.
        """
