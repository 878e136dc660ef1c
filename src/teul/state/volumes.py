"""Volumes by name. SQL only; must not touch their folders."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.state.db import Database

Row = tuple[str, str, float]
"""name, data (JSON), created_at."""


def insert(db: Database, row: Row) -> bool:
    """Remember a volume; False when there is one of that name."""
    cursor = db.execute(
        "INSERT INTO volumes(name, data, created_at) VALUES (?, ?, ?) ON CONFLICT(name) DO NOTHING", row
    )
    return cursor.rowcount > 0


def get(db: Database, name: str) -> Row | None:
    return db.one("SELECT name, data, created_at FROM volumes WHERE name = ?", (name,))


def every(db: Database) -> list[Row]:
    """All of them, by name."""
    return db.all("SELECT name, data, created_at FROM volumes ORDER BY name")


def set_data(db: Database, name: str, data: str) -> None:
    db.execute("UPDATE volumes SET data = ? WHERE name = ?", (data, name))


def delete(db: Database, name: str) -> None:
    db.execute("DELETE FROM volumes WHERE name = ?", (name,))
