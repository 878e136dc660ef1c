"""Pip's installation report as a resolution. Pure; what it does not cover is a doubt.

Spec: pip's documentation, "Installation Report", version 1.
"""

from __future__ import annotations

import json
import re
from urllib.parse import unquote, urlsplit

from teul.build.python.uv import is_newer
from teul.build.python.values import Doubt, Resolution, Wheel
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teul.build.python.command import Install
    from teul.build.python.values import Installed, Interpreter

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_report(
    data: bytes,
    install: Install,
    interpreter: Interpreter,
    *,
    asked: Sequence[str] = (),
    lent: tuple[str, ...] = (),
    take: Callable[[str, str], str] = lambda path, sha256: "",
    build: Callable[[str, str, str, str, bool], Wheel | None] = lambda name, version, url, sha256, is_asked: None,
) -> Resolution | Doubt:
    """What *data* says would be installed; a doubt where something would be replaced, or is not from an index.

    Args:
        take: brings a wheel of the stage (path, sha256 or "") into the store, and gives its sha256; "" where it cannot.
        build: gives the wheel of a source archive (name, version, address, sha256, whether it was asked for).
        asked: the names that the command asks for; those that are installed below count as kept, with what they need.
        lent: the folders of this host that the stage sees, each with a slash at its end; a `file:` address anywhere
            else means a file of the stage.
    """
    try:
        value = json.loads(data)
        if value["version"] != "1":
            return Doubt(text("pip's report is of version {version}", version=value["version"]))
        below = {item.name: item for item in interpreter.installed}
        removed = []
        wheels = []
        needed = set(asked)
        for item in value["install"]:
            name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
            version = str(item["metadata"]["version"])
            url = str(item["download_info"]["url"])
            filename = unquote(urlsplit(url).path).rpartition("/")[2]
            sha256 = str(item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", ""))
            path = unquote(urlsplit(url).path) if url.startswith("file:") else ""
            if path and not (path.startswith(lent) and "/../" not in path) and filename.endswith(".whl"):
                sha256 = take(path, sha256)
                if not sha256:
                    return Doubt(text("packages from `{path}` of the stage", path=path))
            if item["is_direct"] or not _SHA256.fullmatch(sha256):
                return Doubt(text("`{name}` is not a wheel of an index", name=name))
            if name in below:
                old = below[name].version
                if not is_newer(version, old):
                    return Doubt(text("`{name}` {old} below would become {new}", name=name, old=old, new=version))
                removed.append(below[name])
            needed.update(_name_of(line) for line in item["metadata"].get("requires_dist") or ())
            if not filename.endswith(".whl"):
                built = build(name, version, url, sha256, bool(item["requested"]))
                if built is None:
                    return Doubt(text("`{name}` {version} cannot be built apart", name=name, version=version))
                wheels.append(built)
                continue
            wheels.append(
                Wheel(
                    name=name,
                    version=version,
                    filename=filename,
                    url=url,
                    sha256=sha256,
                    requested=bool(item["requested"]),
                )
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Doubt(text("pip's report cannot be read: {problem}", problem=error))
    return Resolution(
        interpreter=interpreter,
        wheels=tuple(wheels),
        kept=tuple(item for item in _kept(needed, interpreter) if item not in removed),
        removed=tuple(removed),
        installer=install.tool,
        compiles=install.compiles,
    )


def _kept(needed: set[str], interpreter: Interpreter) -> tuple[Installed, ...]:
    """What is installed of *needed*, and what that may need in turn (markers are not looked at)."""
    installed = {item.name: item for item in interpreter.installed}
    left, seen = sorted(needed), set(needed)
    while left:
        found = installed.get(left.pop())
        more = {_name_of(line) for line in found.requires} - seen if found else set()
        seen |= more
        left += sorted(more)
    return tuple(item for name, item in sorted(installed.items()) if name in seen)


def _name_of(requirement: str) -> str:
    match = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""
