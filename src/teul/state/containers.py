"""Containers and the exit codes that outlive them. SQL only; must not look at processes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.state.db import Database

Row = tuple[str, str, str, str, str, float]
"""id, name, image digest, status, data (JSON), created_at."""
_COLUMNS = "id, name, image, status, data, created_at"
EXIT_KEPT_S = 3600
"""How long an exit code is kept after its container was removed."""


def insert(db: Database, row: Row) -> str:
    """Remember a container; "" when it is new, else the id of the one that has its name (nothing is written)."""
    with db:
        cursor = db.execute(
            f"INSERT INTO containers({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT(name) DO NOTHING", row
        )
        if cursor.rowcount:
            return ""
        found = db.one("SELECT id FROM containers WHERE name = ?", (row[1],))
        return str(found[0]) if found else ""


def update(db: Database, container: str, *, status: str, data: str) -> bool:
    """Write what changed; False when the container is gone."""
    cursor = db.execute("UPDATE containers SET status = ?, data = ? WHERE id = ?", (status, data, container))
    return cursor.rowcount > 0


def rename(db: Database, container: str, name: str) -> str:
    """Give a container another name; returns the id of the one that has it already, "" when all is well."""
    with db:
        found = db.one("SELECT id FROM containers WHERE name = ?", (name,))
        if found is not None:
            return str(found[0])
        db.execute("UPDATE containers SET name = ? WHERE id = ?", (name, container))
    return ""


def delete(db: Database, container: str) -> None:
    db.execute("DELETE FROM containers WHERE id = ?", (container,))


def by_id(db: Database, container: str) -> Row | None:
    return db.one(f"SELECT {_COLUMNS} FROM containers WHERE id = ?", (container,))


def by_name(db: Database, name: str) -> Row | None:
    return db.one(f"SELECT {_COLUMNS} FROM containers WHERE name = ?", (name,))


def shares_processes(db: Database) -> bool:
    """Whether any container is in the process namespace of another one."""
    # As `Container.data` writes it; a quote within a word has a backslash before it.
    return db.one("""SELECT 1 FROM containers WHERE data LIKE '%"pid_mode":"container:%' LIMIT 1""") is not None


def by_prefix(db: Database, prefix: str) -> list[Row]:
    """At most two whose id begins with *prefix* (hexadecimal digits), which is enough to tell "one" from "several"."""
    return db.all(f"SELECT {_COLUMNS} FROM containers WHERE id >= ? AND id < ? LIMIT 2", (prefix, prefix + "g"))


def every(db: Database) -> list[Row]:
    """All of them, newest first."""
    return db.all(f"SELECT {_COLUMNS} FROM containers ORDER BY created_at DESC, id")


def with_status(db: Database, status: str) -> list[Row]:
    return db.all(f"SELECT {_COLUMNS} FROM containers WHERE status = ? ORDER BY created_at DESC, id", (status,))


def alive(db: Database) -> list[Row]:
    """Those that run or are about to be started again, newest first."""
    return db.all(
        f"SELECT {_COLUMNS} FROM containers WHERE status IN ('running', 'restarting') ORDER BY created_at DESC, id"
    )


def of_image(db: Database, image: str) -> list[str]:
    """The names of the containers that were made from *image*."""
    return [row[0] for row in db.all("SELECT name FROM containers WHERE image = ? ORDER BY name", (image,))]


def add_exit(db: Database, container: str, *, name: str, exit_code: int, at: float) -> None:
    """Remember how a container ended that is about to be removed; forgets those older than `EXIT_KEPT_S`."""
    with db:
        db.execute("DELETE FROM exits WHERE at < ?", (at - EXIT_KEPT_S,))
        db.execute(
            "INSERT OR REPLACE INTO exits(container, name, exit_code, at) VALUES (?, ?, ?, ?)",
            (container, name, exit_code, at),
        )


def find_exit(db: Database, name: str) -> tuple[str, int] | None:
    """(id, exit code) of a removed container by its id, the beginning of it, or its name (the last one that had it)."""
    return db.one(
        "SELECT container, exit_code FROM exits WHERE container = ? OR name = ?"
        " OR (length(?) >= 4 AND container >= ? AND container < ?) ORDER BY at DESC LIMIT 1",
        (name, name, name, name, name + "g"),
    )
