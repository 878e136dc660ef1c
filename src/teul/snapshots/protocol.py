"""What a snapshotter promises (the life of a snapshot stands in the package's docstring)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from dataclasses import dataclass
    from typing import Protocol

    from teul.layers import Source
    from teul.oci.digest import Digest
    from teul.oci.runtime import Mount
else:
    from teul.values import dataclass

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


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong on disk; `code` is kebab-case and stable, `subject` what it is about."""

    code: str
    subject: str
    message: str


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

    def unpack(self, stream: Source, diff_id: Digest, below: Sequence[str] | None) -> str:
        """Extract one uncompressed layer tar (a binary stream, read to its end, verified against *diff_id*) and commit
        it with the recipe that gives the same tar again. Idempotent. Returns its name, with `@` when it does not stand
        alone.

        Args:
            below: the names of the layers under it, bottom first. None: not here yet; a layer that needs them is
                refused as malformed, or gets a name that no stack resolves to; whiteouts are taken at their word
                (see `fits`).

        Raises:
            DigestMismatch, MalformedLayer, UnsafePath: nothing is left behind.
        """

    def fits(self, name: str, below: Sequence[str]) -> bool:
        """Whether every whiteout of layer *name* hides something in the layers *below*. (Overlay shows one that does
        not.) If not, unpack it again on them, which gives it a name for that stack.
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

    def forget(self, name: str) -> None:
        """As `remove`, but the bytes are left to `sweep`: for callers within a transaction."""

    def parents(self, key: str) -> tuple[str, ...]:
        """The layers that an active snapshot stands on, bottom first. Raises: SnapshotNotFound."""

    def touch(self, name: str) -> bool:
        """Say that a layer was wanted again just now (gc spares what is younger than a living lease); False when it
        is not here.
        """

    def used_ns(self, name: str) -> int:
        """When a layer or snapshot was made or wanted again, in the filesystem's time (ns since 1970); 0 without one."""

    def disk_bytes(self, name: str) -> int:
        """Bytes that a layer or a snapshot takes on the disk."""

    def sweep(self) -> int:
        """Remove what dead makers left and what was forgotten; returns the bytes freed."""

    def check(self, *, is_deep: bool = False) -> Iterator[Finding]:
        """What is wrong: rows without bytes, missing parents; with *is_deep*, layers whose tar is not exact."""
