"""`uv sync` with wheels that are made without it: the stage's own uv says what it would install, and makes the rest.

1. uv is asked in a copy of the stage, without a network: which environment, and which versions its lock gives it.
2. Of these, every one of which the lock names a wheel of an index for this Python is left to `direct`.
3. uv runs with these left out, and what it writes is a layer of its own: the environment, its scripts, bytecode of what
   was there before, and whatever the lock has besides wheels (the project itself).

So groups, extras, members of a workspace and markers mean what the stage's uv says that they mean.

Spec: uv's documentation, "Locking and syncing"; the lock is version 1.
"""

from __future__ import annotations

import json
import os
from urllib.parse import unquote, urlsplit

from teul.build.python.tags import best_wheel
from teul.build.python.values import Doubt, Wheel
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import dataclass
    from typing import Any

    from teul.build.python.sync_command import Sync
    from teul.build.python.values import Interpreter
else:
    from teul.values import dataclass

LOCK_VERSION = 1
_PLAIN_SETTINGS = frozenset(
    {
        "package", "managed", "dev-dependencies", "default-groups", "dependency-groups", "index", "index-url",
        "extra-index-url", "index-strategy", "find-links", "no-index", "sources", "required-version", "environments",
        "required-environments", "conflicts", "constraint-dependencies", "build-constraint-dependencies",
        "override-dependencies", "exclude-newer", "exclude-newer-package", "resolution", "prerelease", "fork-strategy",
        "workspace", "cache-keys", "compile-bytecode", "link-mode", "pip", "publish-url", "python-downloads",
        "python-preference", "concurrent-downloads", "concurrent-installs", "concurrent-builds", "build-backend",
        "preview", "trusted-publishing", "check-url", "dependency-metadata", "upgrade",
    }
)  # fmt: skip
"""Of `[tool.uv]`: what decides on a lock, or on what uv is asked for anyway; any other may change how it installs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What uv would do."""

    environment: str
    """The folder of the environment."""
    python: str
    is_new: bool
    """Whether uv makes the environment."""
    lock: str
    root: str
    """The folder of the workspace."""
    wanted: tuple[tuple[str, str], ...]
    """(name, version) of what would be installed."""


def asking(sync: Sync) -> tuple[str, ...]:
    """The command that says what *sync* would do."""
    return (sync.program, *sync.words, "--dry-run", "--offline", "--output-format", "json")


def without(sync: Sync, names: Sequence[str], *, is_offline: bool) -> tuple[str, ...]:
    """The command that does all of *sync* but these packages."""
    left_out = [word for name in names for word in ("--no-install-package", name)]
    return (sync.program, *sync.words, *left_out, *(["--offline"] if is_offline else []))


def read_plan(said: bytes) -> Plan | Doubt:
    """What uv answered."""
    try:
        value = json.loads(said)
        environment = value["sync"]["environment"]
        lock = value.get("lock")
        if (
            value["target"] != "project"
            or not value["dry_run"]
            or lock is None
            or lock["action"] not in ("use", "check")
        ):
            return Doubt(text("uv would do more than install what is locked"))
        wanted = []
        for change in value["sync"]["changes"]:
            if change["action"] != "installed":
                return Doubt(text("`{name}` below would be replaced", name=change["name"]))
            wanted.append((str(change["name"]), str(change.get("version") or "")))
        action = value["sync"]["action"]
        if action not in ("create", "check"):
            return Doubt(text("uv would make the environment `{path}` anew", path=environment["path"]))
        made = Plan(
            environment=str(environment["path"]),
            python=str(environment["python"]["path"]),
            is_new=action == "create",
            lock=str(lock["path"]),
            root=str(value["project"]["workspace"]["path"]),
            wanted=tuple(wanted),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Doubt(text("uv answers in a form that is not known here"))
    for path in (made.environment, made.python, made.lock, made.root):
        if not path.startswith("/") or os.path.normpath(path) != path:
            return Doubt(text("uv answers in a form that is not known here"))
    return made


def settings_of(plan: Plan, home: str, read: Callable[[str], bytes | None]) -> Mapping[str, Any] | Doubt:
    """`[tool.uv]` of the project, when nothing in it is a doubt."""
    import tomllib

    folder = plan.root
    places = [f"{home}/.config/uv/uv.toml", "/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/uv.toml"]
    while folder != "/":
        places.append(f"{folder}/uv.toml")
        folder = os.path.dirname(folder)
    for path in places:
        if read(path) is not None:
            return Doubt(text("the stage has settings of its own in `{path}`", path=path))
    try:
        value = tomllib.loads((read(f"{plan.root}/pyproject.toml") or b"").decode())
        settings: Mapping[str, Any] = value.get("tool", {}).get("uv", {})
        strange = sorted(set(settings) - _PLAIN_SETTINGS)
    except (ValueError, AttributeError, TypeError):
        return Doubt(text("`{path}` cannot be read", path=f"{plan.root}/pyproject.toml"))
    if strange:
        return Doubt(text("`{name}` in [tool.uv]", name=strange[0]))
    return settings


def choose(plan: Plan, lock: bytes, python: Interpreter) -> tuple[Wheel, ...] | Doubt:
    """The wheels that the lock names for what uv would install; what has none is not among them."""
    import tomllib

    try:
        value = tomllib.loads(lock.decode())
        if value.get("version") != LOCK_VERSION:
            return Doubt(text("`{path}` cannot be read", path=plan.lock))
        packages: dict[str, list[Mapping[str, Any]]] = {}
        for package in value.get("package", ()):
            packages.setdefault(package["name"], []).append(package)
        made = []
        for name, version in plan.wanted:
            every = packages.get(name, [])
            if every and not any("registry" in package["source"] for package in every):
                continue  # of a folder or a repository, whose version may be shown in another way
            found = [package for package in every if package.get("version") == version]
            if len(found) != 1:
                return Doubt(text("the lock has several `{name}` {version}", name=name, version=version))
            wheel = _wheel(found[0], python)
            if wheel is not None:
                made.append(wheel)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Doubt(text("`{path}` cannot be read", path=plan.lock))
    return tuple(made)


def _wheel(package: Mapping[str, Any], python: Interpreter) -> Wheel | None:
    if "registry" not in package["source"]:
        return None
    files = {}
    for file in package.get("wheels", ()):
        url = str(file.get("url", ""))
        if not url.startswith(("https://", "http://")):
            return None
        files[unquote(urlsplit(url).path).rpartition("/")[2]] = file
    filename = best_wheel(list(files), python)
    if filename is None:
        return None
    file = files[filename]
    kind, _, sha256 = str(file.get("hash", "")).partition(":")
    if kind != "sha256":
        return None
    return Wheel(
        name=str(package["name"]),
        version=str(package["version"]),
        filename=filename,
        url=str(file["url"]),
        sha256=sha256,
        size_bytes=int(file["size"]) if "size" in file else None,
        uploaded=str(file.get("upload-time", "")),
        requested=True,  # uv says so of all that it installs
    )
