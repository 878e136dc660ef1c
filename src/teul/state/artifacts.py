"""Roots for gc on behalf of tracking stores: which blobs carry a name there. Must not know those stores' databases.

A digest is added before its blob is looked up as present, and goes only when the store itself, holding its own write
lock, says what it names (`replace`). So there may be a root too many after a crash, never one too few.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from teul.state.db import Database


def stores(db: Database) -> dict[str, str]:
    """Id → location of every store whose roots are known."""
    return dict(db.all("SELECT id, location FROM tracking_stores ORDER BY id"))


def add(db: Database, store: str, *digests: str) -> None:
    """Keep blobs; idempotent. Waits while a gc sweeps, so what is there afterwards stays there."""
    with db:
        for digest in digests:
            db.execute("INSERT OR IGNORE INTO artifact_roots (store, digest) VALUES (?, ?)", (store, digest))


def has(db: Database, store: str, digest: str) -> bool:
    return db.one("SELECT 1 FROM artifact_roots WHERE store = ? AND digest = ?", (store, digest)) is not None


def listed(db: Database, store: str = "") -> set[str]:
    """Digests that one store keeps, or all of them together."""
    if store:
        return {row[0] for row in db.all("SELECT digest FROM artifact_roots WHERE store = ?", (store,))}
    return {row[0] for row in db.all("SELECT DISTINCT digest FROM artifact_roots")}


def replace(db: Database, store: str, location: str, wanted: Set[str]) -> set[str]:
    """The roots of a store are exactly *wanted* from now on; returns those that it let go."""
    with db:
        db.execute(
            "INSERT INTO tracking_stores (id, location) VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET location = excluded.location",
            (store, location),
        )
        there = listed(db, store)
        db.executemany("INSERT INTO artifact_roots VALUES (?, ?)", _pairs(store, wanted - there))
        db.executemany("DELETE FROM artifact_roots WHERE store = ? AND digest = ?", _pairs(store, there - wanted))
    return there - wanted


def forget(db: Database, store: str) -> int:
    """A store is gone, and with it its roots; returns how many."""
    with db:
        count = db.execute("DELETE FROM artifact_roots WHERE store = ?", (store,)).rowcount
        db.execute("DELETE FROM tracking_stores WHERE id = ?", (store,))
    return count


def _pairs(store: str, digests: Iterable[str]) -> list[tuple[str, str]]:
    return [(store, digest) for digest in sorted(digests)]
