"""Two images compared: packages by version, then the files that no such package explains, then the configuration.

Layers that both have are not read. Times of files do not count.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from teul.engine.images.contents import contents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.engine import Engine
    from teul.engine.images.contents import Contents, File
    from teul.engine.images.packages import Package
    from teul.oci.image import ImageConfig

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. *before* or *after* is "" where it is not there.

    *kind* is "python", "debian", "file" or "config"; *what* tells of a file what differs ("content", "mode", "owner",
    "type", "link"; "bytecode" where the same source was compiled to other bytes, which mean the same). *size_bytes* is by how much it makes the second image larger (negative: smaller).
    """

    kind: str
    change: str
    name: str
    before: str = ""
    after: str = ""
    what: str = ""
    size_bytes: int = 0


def compare(engine: Engine, one: str, other: str, *, is_whole: bool = False) -> list[Difference]:
    """What makes *other* different from *one*: Python's packages, Debian's, files, configuration, each sorted by name.

    Args:
        is_whole: name the files of packages that differ too; else the package's line stands for them.
    Raises:
        ImageNotFound.
    """
    first, second = contents(engine, one), contents(engine, other)
    packages, explained = _packages(first, second)
    files = _files(first, second, set() if is_whole else explained)
    return [*packages, *files, *_config(first.image.config, second.image.config)]


def _packages(first: Contents, second: Contents) -> tuple[list[Difference], set[tuple[str, str, str]]]:
    sizes = _sizes(first), _sizes(second)
    before, after = ({_key(item): item for item in known.packages} for known in (first, second))
    made = []
    explained = set()
    for key in sorted(before.keys() | after.keys(), key=lambda key: (key[0] != "python", key)):
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None and old.version == new.version:
            continue
        explained.add(key)
        change = ADDED if old is None else REMOVED if new is None else CHANGED
        size = (sizes[1].get(key, 0) if new is not None else 0) - (sizes[0].get(key, 0) if old is not None else 0)
        made.append(
            Difference(
                key[0],
                change,
                key[1],
                old.version if old is not None else "",
                new.version if new is not None else "",
                what=key[2],
                size_bytes=size,
            )
        )
    return made, explained


def _key(package: Package) -> tuple[str, str, str]:
    """Two Python packages of one name in different places are different; so are a library's architectures."""
    return package.kind, package.name, package.place or package.described.architecture


def _sizes(known: Contents) -> dict[tuple[str, str, str], int]:
    made: dict[tuple[str, str, str], int] = {}
    for path, package in known.owners.items():
        key = _key(package)
        made[key] = made.get(key, 0) + known.files[path].size_bytes
    return made


def _files(first: Contents, second: Contents, explained: set[tuple[str, str, str]]) -> list[Difference]:
    made = []
    layers = [[str(layer.diff_id) for layer in known.layers] for known in (first, second)]
    theirs = [_only_theirs(known, explained) for known in (first, second)]
    for path in sorted(first.files.keys() | second.files.keys()):
        old, new = first.files.get(path), second.files.get(path)
        if old is not None and new is not None and layers[0][old.layer] == layers[1][new.layer]:
            continue
        owners = [_key(known.owners[path]) for known in (first, second) if path in known.owners]
        if owners and all(owner in explained for owner in owners):
            continue
        if old is None or new is None:
            file = new or old
            assert file is not None
            if file.is_folder and path in theirs[0 if new is None else 1]:
                continue
            change = ADDED if old is None else REMOVED
            size = file.size_bytes if old is None else -file.size_bytes
            made.append(Difference("file", change, f"/{path}", _about(old), _about(new), size_bytes=size))
            continue
        what = _what(old, new)
        if what == ["content"] and path.endswith(".pyc") and _has_same_header(old, new):
            what = ["bytecode"]
        if what:
            size = new.size_bytes - old.size_bytes
            made.append(Difference("file", CHANGED, f"/{path}", _about(old), _about(new), ", ".join(what), size))
    return made


def _only_theirs(known: Contents, explained: set[tuple[str, str, str]]) -> set[str]:
    """The folders that have files of packages that differ, and no others."""
    theirs: set[str] = set()
    mixed: set[str] = set()
    for path, file in known.files.items():
        if not file.is_folder:
            owner = known.owners.get(path)
            chosen = theirs if owner is not None and _key(owner) in explained else mixed
            parent = os.path.dirname(path)
            while parent and parent not in chosen:
                chosen.add(parent)
                parent = os.path.dirname(parent)
    return theirs - mixed


def _what(old: File, new: File) -> list[str]:
    one, other = old.status, new.status
    if stat.S_IFMT(one.st_mode) != stat.S_IFMT(other.st_mode):
        return ["type"]
    made = []
    if stat.S_IMODE(one.st_mode) != stat.S_IMODE(other.st_mode):
        made.append("mode")
    if (one.st_uid, one.st_gid) != (other.st_uid, other.st_gid):
        made.append("owner")
    if stat.S_ISLNK(one.st_mode):
        if os.readlink(old.place) != os.readlink(new.place):
            made.append("link")
    elif (stat.S_ISREG(one.st_mode) and not _has_same_content(old, new)) or one.st_rdev != other.st_rdev:
        made.append("content")
    return made


def _has_same_content(old: File, new: File) -> bool:
    if old.status.st_size != new.status.st_size:
        return False
    with open(old.place, "rb") as one, open(new.place, "rb") as other:
        while True:
            chunk = one.read(_CHUNK_BYTES)
            if chunk != other.read(_CHUNK_BYTES):
                return False
            if not chunk:
                return True


def _has_same_header(old: File, new: File) -> bool:
    """Whether two `.pyc` are of one interpreter and one source, by what they say (PEP 552)."""
    with open(old.place, "rb") as one, open(new.place, "rb") as other:
        header = one.read(16)
        return len(header) == 16 and header == other.read(16)


def _about(file: File | None) -> str:
    """A file in one line, for a reader: mode, owner, size."""
    if file is None:
        return ""
    status = file.status
    return (
        f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid} {status.st_size if not file.is_folder else 0}"
    )


def _config(one: ImageConfig, other: ImageConfig) -> list[Difference]:
    made = []
    before, after = _flat(one), _flat(other)
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            change = ADDED if old is None else REMOVED if new is None else CHANGED
            made.append(Difference("config", change, name, old or "", new or ""))
    return made


def _flat(config: ImageConfig) -> Mapping[str, str]:
    """The configuration as name → words: `Env PATH`, `Label a`, `Cmd` …"""
    import json

    made = {"Platform": str(config.platform)}
    for name, value in config.config.to_json().items():
        if name == "Env":
            made |= {f"Env {key}": word for key, _, word in (str(item).partition("=") for item in value)}
        elif isinstance(value, dict) and name in ("Labels", "ExposedPorts", "Volumes"):
            word = name.removesuffix("s")
            made |= {f"{word} {key}": item if isinstance(item, str) else "yes" for key, item in value.items()}
        elif value not in (None, "", [], {}):
            made[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return made
