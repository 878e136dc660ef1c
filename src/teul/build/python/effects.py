"""What the shell does besides installing, held against the stage's tree: where it goes, what it takes away, whether it is
there at all. `command` reads the words alone. Must not write.
"""

from __future__ import annotations

import os

from teul.build.python.interpreter import find_program
from teul.build.python.values import Doubt
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.build import ops
    from teul.build.python.command import Install
    from teul.build.python.owner import Owner
    from teul.build.python.sync_command import Sync
    from teul.build.tree import Tree


def doubt_of_effects(
    op: ops.Run, install: Install | Sync, tree: Tree, owner: Owner, env: Mapping[str, str]
) -> Doubt | None:
    """Why the command may do more to *tree* than to install, or may fail where the install alone would not.

    Raises:
        NoInterpreter: the shell is not in the stage.
    """
    from teul.build.python.command import SHELLS

    if op.args[0].rpartition("/")[2] in SHELLS:
        find_program(tree, op.args[0], env)
    folders = [install.cwd, *(step.cwd for step in getattr(install, "then", ()))]
    for folder in folders:
        if folder != (op.cwd or "/") and not _is_lent(op, folder) and not os.path.isdir(_place(tree, folder)):
            return Doubt(text("no folder `{path}` in the stage", path=folder))
    for path in install.removes:
        above, name = os.path.split(path)
        if os.path.lexists(f"{_place(tree, above)}/{name}") or not (owner.is_root or above == "/tmp"):
            return Doubt(text("`rm` may take away what is in `{path}`", path=path))
    return None


def _place(tree: Tree, path: str) -> str:
    return tree.absolute(tree.resolve(path))


def _is_lent(op: ops.Run, folder: str) -> bool:
    """Whether a mount gives the command that folder."""
    targets = [os.path.normpath(mount.target) for mount in op.mounts]
    return any(folder == target or folder.startswith(f"{target}/") for target in targets)
