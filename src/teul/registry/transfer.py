"""What a pull or a push will do, decided before anything is done; plans print. PURE: no IO.

Each operation says its cause. The executor (`teul.engine.images`) decides nothing but what to do when a registry
refuses a mount.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from teul.errors import InvalidDocument, Unsupported, text
from teul.oci.descriptor import LAYER_COMPRESSION, Descriptor
from teul.oci.digest import Digest
from teul.oci.image import ImageConfig, Manifest

KEEP, UNPACK, FETCH = "keep", "unpack", "fetch"
SKIP, MOUNT, UPLOAD, COMPRESS = "skip", "mount", "upload", "compress"


@dataclass(frozen=True, slots=True)
class PullOperation:
    """One layer: `keep` (it is here), `unpack` (its blob is here), `fetch` (then unpack)."""

    kind: str
    diff_id: Digest
    descriptor: Descriptor
    cause: str

    def __str__(self) -> str:
        return f"{self.kind} {self.descriptor.digest.short} -> {self.diff_id.short}: {self.cause}"


@dataclass(frozen=True, slots=True)
class PullPlan:
    """The layers of one image, bottom first."""

    operations: tuple[PullOperation, ...]

    @property
    def fetch_bytes(self) -> int:
        """What goes over the wire, in bytes."""
        return sum(item.descriptor.size_bytes for item in self.operations if item.kind == FETCH)

    def __str__(self) -> str:
        return "\n".join(str(item) for item in self.operations)


def plan_pull(
    manifest: Manifest, config: ImageConfig, *, layers: Sequence[bool], blobs: Set[Digest] = frozenset()
) -> PullPlan:
    """Decide what to do for each layer.

    Args:
        layers: for each layer, bottom first, whether it is unpacked here already.
        blobs: the layer blobs that the content store has.
    Raises:
        InvalidDocument: manifest and config do not belong together.
        Unsupported: a layer is of a kind that cannot be unpacked (the image is an artifact, or encrypted).
    """
    if len(manifest.layers) != len(config.diff_ids):
        raise InvalidDocument(
            "manifest",
            text(
                "expected {expected} layers as in its config, got {actual}",
                expected=len(config.diff_ids),
                actual=len(manifest.layers),
            ),
        )
    made: list[PullOperation] = []
    seen: dict[Digest, Digest] = {}
    for descriptor, diff_id, is_here in zip(manifest.layers, config.diff_ids, layers, strict=True):
        if descriptor.media_type not in LAYER_COMPRESSION:
            raise Unsupported(
                text(
                    "layer `{digest}`: unknown media type `{media_type}`",
                    digest=descriptor.digest.short,
                    media_type=descriptor.media_type,
                ),
                hint=text("this is an artifact, not an image that can be run"),
            )
        if seen.setdefault(descriptor.digest, diff_id) != diff_id:
            raise InvalidDocument(
                "manifest", text("one blob cannot be two layers: `{digest}`", digest=descriptor.digest)
            )
        if is_here:
            kind, cause = KEEP, "the layer is here"
        elif any(item.diff_id == diff_id for item in made):
            kind, cause = KEEP, "the same layer comes further down"
        elif descriptor.digest in blobs:
            kind, cause = UNPACK, "its blob is here"
        else:
            kind, cause = FETCH, "not here"
        made.append(PullOperation(kind, diff_id, descriptor, cause))
    return PullPlan(tuple(made))


@dataclass(frozen=True, slots=True)
class PushLayer:
    """What is known about one layer and the target repository.

    Args (fields):
        descriptor: the compressed form to push; None while it was never compressed that way.
        exists: the target repository has that blob.
        mount_from: paths of repositories in the same registry that have it.
        is_here: the content store has the blob.
    """

    diff_id: Digest
    descriptor: Descriptor | None = None
    exists: bool = False
    mount_from: tuple[str, ...] = ()
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class PushOperation:
    """One layer: `skip`, `mount`, `upload` (the blob is here), `compress` (then upload)."""

    kind: str
    diff_id: Digest
    descriptor: Descriptor | None
    cause: str
    mount_from: str = ""

    def __str__(self) -> str:
        target = self.descriptor.digest.short if self.descriptor else "?"
        return f"{self.kind} {self.diff_id.short} -> {target}: {self.cause}"


@dataclass(frozen=True, slots=True)
class PushPlan:
    """The layers of one image, bottom first."""

    operations: tuple[PushOperation, ...]

    @property
    def needs_compression(self) -> bool:
        """Whether a layer has to be made again from its snapshot."""
        return any(item.kind == COMPRESS for item in self.operations)

    def __str__(self) -> str:
        return "\n".join(str(item) for item in self.operations)


def plan_push(layers: Sequence[PushLayer]) -> PushPlan:
    """Decide what to do for each layer, bottom first."""
    made: list[PushOperation] = []
    for layer in layers:
        if any(item.diff_id == layer.diff_id for item in made):
            kind, cause, source = SKIP, "the same layer comes further down", ""
        elif layer.descriptor is not None and layer.exists:
            kind, cause, source = SKIP, "the repository has it", ""
        elif layer.descriptor is not None and layer.mount_from:
            source = layer.mount_from[0]
            kind, cause = MOUNT, f"{source} has it"
        elif layer.descriptor is not None and layer.is_here:
            kind, cause, source = UPLOAD, "its blob is here", ""
        elif layer.descriptor is not None:
            kind, cause, source = COMPRESS, "its blob is not kept", ""
        else:
            kind, cause, source = COMPRESS, "it never left this machine", ""
        made.append(PushOperation(kind, layer.diff_id, layer.descriptor, cause, source))
    return PushPlan(tuple(made))
