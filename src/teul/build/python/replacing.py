"""What pip or uv takes away before it puts a newer version in its place, and how a layer says so.

The stage's own is asked: its uninstaller works in a copy of the stage, and what is gone there is what it would have taken
away, whatever the distribution was installed by and whatever else lies in its folders (Debian's pip leaves Debian's
packages alone). Must not choose versions.

Source: pip's `_internal/req/req_uninstall.py`; `uv pip uninstall` is what `uv pip install` does first.
"""

from __future__ import annotations

import json
import os
import stat

from teul.build.python.wheel import folders_above, make_folders
from teul.errors import UnusualWheel, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from dataclasses import dataclass
    from typing import Any

    from teul.build.python.attempt import Stage
    from teul.build.python.item import Item
    from teul.build.python.values import Installed, Interpreter
    from teul.build.tree import Tree
    from teul.layers.lower import Lower
else:
    from teul.values import dataclass

FORM = 2
# The order is that of the installs, and each is committed before the next, as pip does it.
SCRIPT = r"""
import json, sys
from pip._internal.metadata import get_default_environment
from pip._internal.req.req_uninstall import UninstallPathSet
listed = {}
for name in sys.argv[1:]:
    paths = UninstallPathSet.from_dist(get_default_environment().get_distribution(name))
    listed[name] = sorted(path.lstrip("/") for path in paths._paths)
    paths.remove(auto_confirm=True)
    paths.commit()
print(json.dumps(listed))
"""


@dataclass(frozen=True, slots=True)
class Gone:
    """What is taken away; all paths are of the tree, without the first slash."""

    paths: tuple[str, ...] = ()
    """The upper-most files and folders that are not there afterwards."""
    listed: tuple[tuple[str, frozenset[str]], ...] = ()
    """What each distribution lists as its own, by its name; of what uv takes away nothing: it does so before it installs
    anything.
    """


def taken_away(stage: Stage, removed: Sequence[Installed], python: Interpreter, tree: Tree, *, uv: str = "") -> Gone:
    """What goes when *removed* are replaced.

    Args:
        uv: the program that replaces them, "" where it is pip.

    Raises:
        UnusualWheel: that cannot be told.
    """
    from teul.solver.graph import digest_of
    from teul.values import replace

    names = [item.name for item in removed]
    key = digest_of([stage.key_of(["uninstall", str(FORM)], python.path, tree), names, stage.op.user, uv])
    row = stage.worker.cache.find(key)
    if row is not None:
        return _read(row["data"])
    assert stage.rehearsal is not None
    args = (python.path, "-I", "-B", "-c", SCRIPT, *names)
    if uv:
        args = (uv, "pip", "uninstall", "--python", python.path, "--break-system-packages", "--no-cache", *names)
    op = replace(stage.op, args=args, cwd="/", network="none", mounts=())
    # uv locks an environment by a file.
    seen = stage.rehearsal.gone(op, besides=("tmp/", f"{python.prefix.strip('/')}/.lock"))
    try:
        data = {"gone": seen[0], "listed": {} if uv else json.loads(seen[1])} if seen is not None else {}
        gone = _read(data)
    except (ValueError, KeyError) as error:
        raise UnusualWheel(text("what goes with `{name}` cannot be told", name=names[0])) from error
    stage.worker.cache.put(key, "", f"without {', '.join(names)}", {"digest": key, "data": data})
    return gone


def _read(data: Mapping[str, Any]) -> Gone:
    listed = tuple((name, frozenset(paths)) for name, paths in sorted(data["listed"].items()))
    return Gone(tuple(data["gone"]), listed)


def check_owners(items: Iterable[Item], gone: Gone) -> None:
    """No wheel may bring what another one's older version has: pip would take it away again with that, where it comes
    to the other one later.

    Raises:
        UnusualWheel: one does.
    """
    for item in items:
        others = [(name, paths) for name, paths in gone.listed if name != item.wheel.name]
        for path in item.files() if others else ():
            part = path
            while part:  # an egg is listed as a folder
                for name, paths in others:
                    if part in paths:
                        raise UnusualWheel(
                            text("`{one}` and `{other}` both own `{path}`", one=name, other=item.wheel.name, path=path)
                        )
                part = part.rpartition("/")[0]


class Without:
    """A merged view of layers in which some paths, and all below them, are not there."""

    def __init__(self, lower: Lower, gone: Iterable[str]) -> None:
        self._lower = lower
        self._gone = frozenset(os.fsencode(path) for path in gone)

    def find(self, path: bytes) -> tuple[bytes, os.stat_result] | None:
        """As `Lower.find`."""
        part = path
        while part:
            if part in self._gone:
                return None
            part = part.rpartition(b"/")[0]
        return self._lower.find(path)


def hide(
    upper: str, gone: Iterable[str], lower: Lower, files: Iterable[str], made: set[str], folders: dict[str, bool]
) -> None:
    """Write into *upper* that what is *gone* is no longer there, but for what *files* put in its place.

    Args:
        files: all that is installed, with empty folders.
        made: the folders that *upper* has; gets those that are made.
        folders: those that *lower* has and that change, each with whether something directly in it does; gets more.

    Raises:
        UnusualWheel: a file would become a folder, or a folder a file.
    """
    new = set(files)
    above = folders_above(new)
    left = sorted(gone)
    changed = {path.rpartition("/")[0] for path in left} - {""}
    folders |= dict.fromkeys(folders_above(left) - folders.keys(), False) | dict.fromkeys(changed, True)
    while left:
        path = left.pop()
        entry = lower.find(os.fsencode(path))
        if entry is None:
            continue
        is_folder = stat.S_ISDIR(entry[1].st_mode)
        if (path in new and is_folder) or (path in above and not is_folder):
            raise UnusualWheel(text("`{path}` is a file and a folder", path=f"/{path}"))
        if path in above:
            inside = {name for folder in lower.folders_at(os.fsencode(path)) for name in os.listdir(folder)}
            left += [f"{path}/{os.fsdecode(name)}" for name in sorted(inside)]
        elif path not in new:
            make_folders(upper, os.path.dirname(path), made)
            os.mknod(f"{upper}/{path}", stat.S_IFCHR, os.makedev(0, 0))
