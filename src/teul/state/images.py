"""Images, their names and the digests that registries know them by. SQL only; must not read content."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from teul.state.db import Database

Row = tuple[str, str, str, float]
"""id, manifest digest or "", data (JSON), created_at."""


def insert(db: Database, image: str, *, manifest: str, data: str, created_at: float) -> bool:
    """Remember an image; False when it is known already (then only an empty manifest is filled in)."""
    with db:
        cursor = db.execute(
            "INSERT INTO images(id, manifest, data, created_at) VALUES (?, ?, ?, ?) ON CONFLICT(id) DO NOTHING",
            (image, manifest, data, created_at),
        )
        if cursor.rowcount:
            return True
        if manifest:
            fill_manifest(db, image, manifest)
        return False


def set_manifest(db: Database, image: str, manifest: str) -> None:
    """The manifest that is this image's now (a pull found a newer form of the same image)."""
    db.execute("UPDATE images SET manifest = ? WHERE id = ?", (manifest, image))


def fill_manifest(db: Database, image: str, manifest: str) -> None:
    """The manifest of an image that had none (a push made it)."""
    db.execute("UPDATE images SET manifest = ? WHERE id = ? AND manifest = ''", (manifest, image))


def by_id(db: Database, image: str) -> Row | None:
    return db.one("SELECT id, manifest, data, created_at FROM images WHERE id = ?", (image,))


def by_name(db: Database, name: str) -> Row | None:
    """*name* in full (`docker.io/library/python:3.11-slim`)."""
    return db.one(
        "SELECT i.id, i.manifest, i.data, i.created_at FROM image_names n JOIN images i ON i.id = n.image"
        " WHERE n.name = ?",
        (name,),
    )


def by_digest(db: Database, repository: str, digest: str) -> Row | None:
    """The image that *repository* has under *digest* (of an index or of a manifest)."""
    found = db.one(
        "SELECT i.id, i.manifest, i.data, i.created_at FROM image_digests d JOIN images i ON i.id = d.image"
        " WHERE d.repository = ? AND d.digest = ?",
        (repository, digest),
    )
    if found is None:
        found = db.one(
            "SELECT i.id, i.manifest, i.data, i.created_at FROM images i WHERE i.manifest = ? AND"
            " (EXISTS (SELECT 1 FROM image_digests d WHERE d.image = i.id AND d.repository = ?)"
            " OR EXISTS (SELECT 1 FROM image_names n WHERE n.image = i.id AND n.name LIKE ? ESCAPE '\\'))",
            (digest, repository, _like(repository) + ":%"),
        )
    return found


def by_prefix(db: Database, prefix: str, *, limit: int = 2) -> list[Row]:
    """At most *limit* images whose id begins with *prefix* (`sha256:` and some hexadecimal digits)."""
    return db.all(
        "SELECT id, manifest, data, created_at FROM images WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (prefix, prefix + "g", limit),
    )


def every(db: Database) -> list[Row]:
    """All images, newest first."""
    return db.all("SELECT id, manifest, data, created_at FROM images ORDER BY created_at DESC, id")


def delete(db: Database, image: str) -> None:
    """Forget an image, its names and its digests; idempotent."""
    with db:
        db.execute("DELETE FROM image_names WHERE image = ?", (image,))
        db.execute("DELETE FROM image_digests WHERE image = ?", (image,))
        db.execute("DELETE FROM images WHERE id = ?", (image,))


def set_name(db: Database, name: str, image: str, *, at: float) -> str:
    """Point *name* at *image*; returns the image that it pointed at before, or ""."""
    with db:
        row = db.one("SELECT image FROM image_names WHERE name = ?", (name,))
        before = str(row[0]) if row else ""
        if before != image:
            db.execute(
                "INSERT INTO image_names(name, image, updated_at) VALUES (?, ?, ?)"
                " ON CONFLICT(name) DO UPDATE SET image = excluded.image, updated_at = excluded.updated_at",
                (name, image, at),
            )
        return before


def delete_name(db: Database, name: str) -> bool:
    """Forget *name*; False when it was not known."""
    return db.execute("DELETE FROM image_names WHERE name = ?", (name,)).rowcount > 0


def names(db: Database, image: str) -> list[str]:
    return [str(row[0]) for row in db.all("SELECT name FROM image_names WHERE image = ? ORDER BY name", (image,))]


def all_names(db: Database) -> list[tuple[str, str]]:
    """(name, image) of every name, in order."""
    return db.all("SELECT name, image FROM image_names ORDER BY name")


def add_digest(db: Database, repository: str, digest: str, image: str) -> None:
    """*repository* has *image* under *digest*."""
    db.execute(
        "INSERT INTO image_digests(repository, digest, image) VALUES (?, ?, ?)"
        " ON CONFLICT(repository, digest) DO UPDATE SET image = excluded.image WHERE image <> excluded.image",
        (repository, digest, image),
    )


def digests(db: Database, image: str) -> list[tuple[str, str]]:
    """(repository, digest) pairs of one image."""
    return db.all("SELECT repository, digest FROM image_digests WHERE image = ? ORDER BY repository, digest", (image,))


def all_digests(db: Database) -> list[tuple[str, str, str]]:
    """(repository, digest, image) of every image."""
    return db.all("SELECT repository, digest, image FROM image_digests ORDER BY repository, digest")


def delete_digests(db: Database, image: str, repositories: Iterable[str]) -> list[tuple[str, str]]:
    """Forget the digests of *image* in *repositories*; returns what went."""
    gone: list[tuple[str, str]] = []
    with db:
        for repository in repositories:
            gone += [pair for pair in digests(db, image) if pair[0] == repository]
            db.execute("DELETE FROM image_digests WHERE image = ? AND repository = ?", (image, repository))
    return gone


def users(db: Database, image: str) -> list[tuple[str, str, str]]:
    """(id, name, status) of the containers made from *image*."""
    return db.all("SELECT id, name, status FROM containers WHERE image = ? ORDER BY created_at", (image,))


def _like(value: str) -> str:
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def is_document(db: Database, digest: str) -> bool:
    """Whether *digest* is an image's id, its manifest, or what a registry knows it by."""
    return (
        db.one(
            "SELECT 1 FROM images WHERE id = ? OR manifest = ? UNION SELECT 1 FROM image_digests WHERE digest = ?",
            (digest, digest, digest),
        )
        is not None
    )
