"""What killed builders left."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine


def sweep(engine: Engine, db: object) -> None:
    """Remove what builders left that were killed: their active snapshots, and the folders that went with them."""
    from teul.build.execute import build_folder, scratch_folder
    from teul.host.fs import remove_tree
    from teul.state import leases
    from teul.state.db import Database

    assert isinstance(db, Database)
    living = {name for kind, name in leases.protected(db) if kind == "snapshot"}
    for key in list(engine.snapshots.keys()):
        if key.startswith("build-") and key not in living:
            engine.snapshots.remove(key)
    for folder in (build_folder(engine.settings), scratch_folder(engine.settings)):
        try:
            left = os.listdir(folder)
        except FileNotFoundError:
            continue
        for name in left:
            if name.startswith("build-") and name not in living:
                remove_tree(f"{folder}/{name}")
