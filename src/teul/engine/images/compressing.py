"""A layer's own compressed form: made from its snapshot, the same on every machine, remembered once made."""

from __future__ import annotations

from collections.abc import Callable

from teul.errors import Cancelled, text
from teul.layers.codec import compress
from teul.oci.descriptor import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Descriptor
from teul.oci.digest import Digest
from teul.state import content as content_rows
from teul.state.db import Database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine

MEDIA_TYPES = {"": OCI_LAYER, "gzip": OCI_LAYER_GZIP, "zstd": OCI_LAYER_ZSTD}
GENERATION = 1
"""Counts up when `teul.layers.codec` begins to give other bytes, so that what is remembered is forgotten."""


def _mark(codec: str) -> str:
    """The origin that tells our own forms from those that a pull found: never a repository, it has no domain."""
    return f"teul:{codec}:{GENERATION}"


def find_own(db: Database, diff_id: Digest, codec: str) -> Descriptor | None:
    """What compressing layer *diff_id* gave the last time, or None."""
    for form in content_rows.compressed_forms(db, diff_id):
        if form.media_type == MEDIA_TYPES[codec] and _mark(codec) in content_rows.origins(db, form.digest):
            return Descriptor(form.media_type, form.digest, form.size_bytes)
    return None


def compressed(
    engine: Engine, layer: str, codec: str, *, should_stop: Callable[[], bool] = lambda: False
) -> Descriptor:
    """Compress the snapshot *layer* into the content store, and remember what it gave.

    The caller holds a lease, and removes the blob when it is done with it.

    Raises:
        DigestMismatch: the snapshot was tampered with.
        Cancelled: *should_stop* said so.
    """
    with engine.store.ingest() as writer:
        with compress(codec, writer.write) as compressor:

            def write(data: bytes) -> None:
                if should_stop():
                    raise Cancelled(text("cancelled"))
                compressor.write(data)

            engine.snapshots.tar(layer, write)
        info = writer.commit()
    diff_id = Digest(layer.partition("@")[0])
    descriptor = Descriptor(MEDIA_TYPES[codec], info.digest, info.size_bytes)
    # A connection belongs to one thread, and this runs in several.
    db = Database.open(engine.db.path)
    try:
        with db:
            content_rows.add_compressed(
                db, content_rows.CompressedLayer(info.digest, descriptor.media_type, info.size_bytes, diff_id)
            )
            content_rows.add_origin(db, info.digest, _mark(codec))
    finally:
        db.close()
    return descriptor
