"""Which containers there are, and whether what is remembered of them is still true."""

from __future__ import annotations

import os

from teul.containers import RUNNING, is_id_prefix
from teul.engine.containers.record import Container
from teul.errors import ContainerNotFound, InvalidInput, text
from teul.state import containers as rows
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from dataclasses import replace
    from typing import Any

    from teul.engine import Engine
    from teul.state.containers import Row
else:
    from teul.values import replace


def get(engine: Engine, name: str) -> Container:
    """Find a container by name, id, or the beginning of its id; a running one really runs.

    Raises:
        ContainerNotFound: there is none.
        InvalidInput: several ids begin so.
    """
    return true(engine, Container.from_row(_row(engine, name)))


def list_containers(engine: Engine, *, all: bool = False) -> list[Container]:  # noqa: A002
    """Containers that run or are about to be started again, newest first; with *all* the others too."""
    from teul.engine.containers.settlement import settle_all

    settle_all(engine)
    found = rows.every(engine.db) if all else rows.alive(engine.db)
    return [Container.from_row(row) for row in found]


def folder_of(engine: Engine, container: str) -> str:
    """Where a container keeps what must survive a reboot: its log."""
    return f"{engine.settings.containers}/{container}"


def bundle_of(engine: Engine, container: str) -> str:
    """Where a container keeps what a reboot ends anyway: its bundle, sockets, pids (a tmpfs, nothing to flush)."""
    return f"{engine.settings.run_root}/containers/{container}"


def is_alive(container: Container) -> bool:
    """Whether the first process of a container that is said to run is there."""
    return bool(container.pid) and process_start(container.pid) == container.process_start


def has_monitor(container: Container) -> bool:
    """Whether the container's monitor is there (it has not finished with it yet)."""
    return bool(container.monitor_pid) and process_start(container.monitor_pid) == container.monitor_start


def true(engine: Engine, container: Container) -> Container:
    """The container as it really is: one that has ended meanwhile is settled first.

    Raises:
        ContainerNotFound: it removed itself.
    """
    if container.status != RUNNING or is_alive(container):
        return container
    from teul.engine.containers.settlement import settle

    settled: Container | None = settle(engine, container.id)
    if settled is None:
        raise ContainerNotFound(container.name)
    return settled


def reread(engine: Engine, container: str) -> Container | None:
    """The container with exactly this id as it is remembered now, or None."""
    row = rows.by_id(engine.db, container)
    return None if row is None else Container.from_row(row)


def change(engine: Engine, container: str, fields: Mapping[str, Any]) -> Container | None:
    """Write *fields* of the container with exactly this id and leave all others as they are now; None when it is gone.

    Read and written in one transaction: two that change different things at once both have their way.
    """
    with engine.db:
        found = reread(engine, container)
        if found is None:
            return None
        changed: Container = replace(found, **fields)
        rows.update(engine.db, container, status=changed.status, data=changed.data())
    return changed


def _row(engine: Engine, name: str) -> Row:
    bare = name.removeprefix("/")
    row = rows.by_name(engine.db, bare)
    if row is None and is_id_prefix(bare):
        found = rows.by_prefix(engine.db, bare)
        if len(found) > 1:
            raise InvalidInput(text("multiple IDs found with provided prefix: {prefix}", prefix=bare))
        row = found[0] if found else None
    if row is None:
        error = ContainerNotFound(name)
        near = _nearest(engine, bare)
        if near:
            error.hint = text("did you mean `{name}`?", name=near)
        raise error
    return row


def _nearest(engine: Engine, name: str) -> str:
    """The name of a container that *name* may have been meant for, or ""."""
    import difflib

    close = difflib.get_close_matches(name, [row[1] for row in rows.every(engine.db)], n=1)
    return close[0] if close else ""


def has_folder(engine: Engine, container: str) -> bool:
    return os.path.isdir(folder_of(engine, container))


def without_row(engine: Engine, names: Iterable[str]) -> set[str]:
    """Of the *names* of containers' folders, those that no container has.

    Whoever makes a container makes its folder and its row in one transaction: one that is under way now is waited for.
    """
    left = set(names).difference(row[0] for row in rows.every(engine.db))
    if not left:
        return left
    with engine.db:
        return left.difference(row[0] for row in rows.every(engine.db))


def names_in(folder: str) -> list[str]:
    """The names in *folder*; none when it is not there."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
