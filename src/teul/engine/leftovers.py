"""What a crash, a lost database or somebody's `rm -r` left of containers and networks: found, and taken away."""

from __future__ import annotations

import os

from teul.errors import text
from teul.snapshots import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from teul.engine import Engine


def find(engine: Engine) -> Iterator[Finding]:
    """Folders of containers that are not known, their run folders, bridges of networks that are not known."""
    from teul.engine import networks
    from teul.engine.containers.lookup import names_in, without_row

    for code, folder in _places(engine):
        for name in sorted(without_row(engine, names_in(folder))):
            path = f"{folder}/{name}"
            # A removal holds the lock; what it has taken away meanwhile is none.
            if os.path.exists(path) and not _is_locked(f"{engine.settings.containers}/{name}"):
                yield Finding(code, name, text("`{path}` belongs to no container", path=path))
    for bridge in networks.leftovers(engine):
        yield Finding("bridge-stray", bridge, text("bridge `{name}` belongs to no network", name=bridge))


def mend(engine: Engine) -> list[Finding]:
    """Take away what `find` finds; returns what was there."""
    from teul.engine import networks
    from teul.engine.containers.lookup import folder_of, reread
    from teul.host.fs import FolderLock, remove_tree

    found = list(find(engine))
    places = dict(_places(engine))
    for finding in found:
        if finding.code not in places:
            continue
        path = f"{places[finding.code]}/{finding.subject}"
        try:
            # The container's own folder, which every command on it locks, may be gone already.
            kept = folder_of(engine, finding.subject)
            lock = FolderLock.take(kept if os.path.isdir(kept) else path, wait=False)
        except FileNotFoundError:
            continue
        if lock is None:
            continue
        with lock:
            if reread(engine, finding.subject) is not None:
                continue
            if finding.code == "run-folder-stray" and os.path.isdir(f"{engine.driver.root}/{finding.subject}"):
                engine.driver.delete(finding.subject, force=True)
            remove_tree(path)
            networks.leave(engine, finding.subject)
    networks.clean_up(engine)
    return found


def _places(engine: Engine) -> tuple[tuple[str, str], ...]:
    return (
        ("container-folder-stray", engine.settings.containers),
        ("run-folder-stray", f"{engine.settings.run_root}/containers"),
    )


def _is_locked(folder: str) -> bool:
    from teul.host.fs import FolderLock

    try:
        lock = FolderLock.take(folder, wait=False)
    except FileNotFoundError:
        return False
    if lock is None:
        return True
    lock.release()
    return False
