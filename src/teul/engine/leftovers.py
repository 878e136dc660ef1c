"""What a crash, a lost database or somebody's `rm -r` left of containers and networks: found, and taken away.

Younger things than `GRACE_S` may belong to a command that is still at work, and are none.
"""

from __future__ import annotations

import os
import time

from teul.errors import text
from teul.snapshots import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from teul.engine import Engine

GRACE_S = 60.0


def find(engine: Engine) -> Iterator[Finding]:
    """Folders of containers that are not known, their run folders, bridges of networks that are not known."""
    from teul.engine import networks

    known = _known(engine)
    for code, folder in _places(engine):
        for name in _names(folder):
            path = f"{folder}/{name}"
            if name not in known and _is_old(path):
                yield Finding(code, name, text("`{path}` belongs to no container", path=path))
    for bridge in networks.leftovers(engine):
        yield Finding("bridge-stray", bridge, text("bridge `{name}` belongs to no network", name=bridge))


def mend(engine: Engine) -> list[Finding]:
    """Take away what `find` finds; returns what was there."""
    from teul.engine import networks
    from teul.host.fs import FolderLock, remove_tree

    found = list(find(engine))
    places = dict(_places(engine))
    for finding in found:
        if finding.code not in places:
            continue
        path = f"{places[finding.code]}/{finding.subject}"
        try:
            lock = FolderLock.take(path, wait=False)
        except FileNotFoundError:
            continue
        if lock is None:
            continue
        with lock:
            if finding.subject in _known(engine):
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


def _known(engine: Engine) -> set[str]:
    from teul.state import containers

    return {row[0] for row in containers.every(engine.db)}


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _is_old(path: str) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime > GRACE_S
    except OSError:
        return False
