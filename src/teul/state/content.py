"""Rows about blobs: the compressed forms of a layer, and where a blob is known to exist. Must not touch the blobs."""

from __future__ import annotations

import time

from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from teul.state.db import Database
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True)
class CompressedLayer:
    """One compressed form of layer *diff_id*: what a pull found or a push made."""

    digest: Digest
    media_type: str
    size_bytes: int
    diff_id: Digest


def add_compressed(db: Database, layer: CompressedLayer) -> None:
    """Remember one form; idempotent."""
    db.execute(
        "INSERT OR REPLACE INTO descriptors (digest, media_type, size_bytes, diff_id, created_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (layer.digest, layer.media_type, layer.size_bytes, layer.diff_id, time.time()),
    )


def find_compressed(db: Database, digest: Digest) -> CompressedLayer | None:
    """What is known about the compressed blob *digest*, or None."""
    row = db.one("SELECT digest, media_type, size_bytes, diff_id FROM descriptors WHERE digest = ?", (digest,))
    return None if row is None or row[3] is None else _compressed(row)


def compressed_forms(db: Database, diff_id: Digest) -> list[CompressedLayer]:
    """All known forms of one layer, the first found first."""
    rows = db.all(
        "SELECT digest, media_type, size_bytes, diff_id FROM descriptors WHERE diff_id = ? ORDER BY created_at, digest",
        (diff_id,),
    )
    return [_compressed(row) for row in rows]


def all_compressed(db: Database) -> list[CompressedLayer]:
    rows = db.all("SELECT digest, media_type, size_bytes, diff_id FROM descriptors WHERE diff_id IS NOT NULL")
    return [_compressed(row) for row in rows]


def remove_compressed(db: Database, digest: Digest) -> None:
    """Forget one form and where it is; idempotent."""
    with db:
        db.execute("DELETE FROM descriptors WHERE digest = ?", (digest,))
        db.execute("DELETE FROM origins WHERE digest = ?", (digest,))


def add_origin(db: Database, digest: Digest, repository: str) -> None:
    """Remember that *repository* (`host/path`) has the blob; idempotent."""
    db.execute("INSERT OR IGNORE INTO origins (digest, repository) VALUES (?, ?)", (digest, repository))


def origins(db: Database, digest: Digest) -> list[str]:
    """The repositories that are known to have the blob, sorted."""
    return [row[0] for row in db.all("SELECT repository FROM origins WHERE digest = ? ORDER BY repository", (digest,))]


def _compressed(row: tuple[object, ...]) -> CompressedLayer:
    digest, media_type, size_bytes, diff_id = row
    assert isinstance(size_bytes, int)
    return CompressedLayer(Digest(str(digest)), str(media_type), size_bytes, Digest(str(diff_id)))
