"""Networks, and the places of containers on them. SQL only; must not touch an interface."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.state.db import Database

Row = tuple[str, str, str, float]
"""id, name, data (JSON), created_at."""
EndpointRow = tuple[str, str, str, str]
"""network id, container id, address, data (JSON)."""


def insert(db: Database, row: Row) -> bool:
    """Remember a network; False when the name is taken."""
    cursor = db.execute(
        "INSERT INTO networks(id, name, data, created_at) VALUES (?, ?, ?, ?) ON CONFLICT(name) DO NOTHING", row
    )
    return cursor.rowcount > 0


def delete(db: Database, network: str) -> None:
    db.execute("DELETE FROM networks WHERE id = ?", (network,))


def by_name(db: Database, name: str) -> Row | None:
    return db.one("SELECT id, name, data, created_at FROM networks WHERE name = ?", (name,))


def by_id(db: Database, network: str) -> Row | None:
    return db.one("SELECT id, name, data, created_at FROM networks WHERE id = ?", (network,))


def by_prefix(db: Database, prefix: str) -> list[Row]:
    """At most two whose id begins with *prefix*."""
    return db.all(
        "SELECT id, name, data, created_at FROM networks WHERE id >= ? AND id < ? LIMIT 2", (prefix, prefix + "g")
    )


def every(db: Database) -> list[Row]:
    """All of them, by name."""
    return db.all("SELECT id, name, data, created_at FROM networks ORDER BY name")


def add_endpoint(db: Database, row: EndpointRow) -> None:
    """Take an address; the caller chose it in the same transaction."""
    db.execute("INSERT OR REPLACE INTO endpoints(network, container, address, data) VALUES (?, ?, ?, ?)", row)


def addresses(db: Database, network: str) -> set[str]:
    """The addresses that are taken on a network."""
    return {row[0] for row in db.all("SELECT address FROM endpoints WHERE network = ?", (network,))}


def endpoints(db: Database, *, network: str = "", container: str = "") -> list[EndpointRow]:
    """Those of one network, of one container, or all."""
    if container:
        return db.all(
            "SELECT network, container, address, data FROM endpoints WHERE container = ? ORDER BY network", (container,)
        )
    if network:
        return db.all(
            "SELECT network, container, address, data FROM endpoints WHERE network = ? ORDER BY container", (network,)
        )
    return db.all("SELECT network, container, address, data FROM endpoints ORDER BY container")


def orphans(db: Database) -> list[tuple[str, str]]:
    """(container, data) of those that hold an address though they do not run, or are gone, or never were containers."""
    return db.all(
        "SELECT e.container, min(e.data) FROM endpoints e LEFT JOIN containers c ON c.id = e.container"
        " WHERE c.id IS NULL OR c.status != 'running' GROUP BY e.container"
    )


def unfinished(db: Database) -> list[tuple[str, str, str]]:
    """(network, container, data) of places that a running container is being given, or that are being taken from it.

    A few too many: of a container with a name like the mark's.
    """
    return db.all(
        """SELECT e.network, e.container, e.data FROM endpoints e JOIN containers c ON c.id = e.container"""
        """ WHERE c.status = 'running' AND instr(e.data, '"owner"')"""
    )


def remove_endpoints(db: Database, container: str) -> None:
    db.execute("DELETE FROM endpoints WHERE container = ?", (container,))


def remove_endpoint(db: Database, network: str, container: str) -> None:
    db.execute("DELETE FROM endpoints WHERE network = ? AND container = ?", (network, container))
