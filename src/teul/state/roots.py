"""What gc must keep and fsck must find, read across all tables. Must not change anything but the cache's leftovers."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.state.db import Database

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def images(db: Database) -> list[tuple[str, str]]:
    """(id, manifest digest or "") of every image."""
    return db.all("SELECT id, manifest FROM images ORDER BY id")


def repository_digests(db: Database) -> set[str]:
    """Digests by which registries know our images: of manifests and of indexes."""
    return {row[0] for row in db.all("SELECT DISTINCT digest FROM image_digests")}


def containers(db: Database) -> list[tuple[str, str, str]]:
    """(id, image id, data) of every container; *data* is JSON text, which may name its snapshot."""
    return db.all("SELECT id, image, data FROM containers ORDER BY id")


def cached_digests(db: Database) -> dict[str, set[str]]:
    """Key of a remembered result → all digests in it."""
    return {key: set(_DIGEST.findall(data)) for key, data in db.all("SELECT key, data FROM results")}


def integrity(db: Database) -> list[str]:
    """What SQLite itself finds wrong: damaged pages, rows that point at rows which are not there."""
    found = [str(row[0]) for row in db.all("PRAGMA integrity_check(20)") if row[0] != "ok"]
    for table, row, parent, _ in db.all("PRAGMA foreign_key_check"):
        found.append(f"{table}: row {row} points at a missing row of {parent}")
    return found
