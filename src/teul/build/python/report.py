"""Pip's installation report as a resolution. Pure; what it does not cover is a doubt.

Spec: pip's documentation, "Installation Report", version 1.
"""

from __future__ import annotations

import json
import re
from urllib.parse import unquote, urlsplit

from teul.build.python.values import Doubt, Resolution, Wheel
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.build.python.command import Install
    from teul.build.python.values import Interpreter

_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_report(
    data: bytes, install: Install, interpreter: Interpreter, *, lent: tuple[str, ...] = ()
) -> Resolution | Doubt:
    """What *data* says would be installed; a doubt where something would be built, replaced, or is not from an index.

    Args:
        lent: the folders of this host that the stage sees, each with a slash at its end; a `file:` address anywhere
            else means a file of the stage.
    """
    try:
        value = json.loads(data)
        if value["version"] != "1":
            return Doubt(text("pip's report is of version {version}", version=value["version"]))
        below = {item.name: item.version for item in interpreter.installed}
        wheels = []
        for item in value["install"]:
            name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
            version = str(item["metadata"]["version"])
            url = str(item["download_info"]["url"])
            filename = unquote(urlsplit(url).path).rpartition("/")[2]
            sha256 = str(item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", ""))
            path = unquote(urlsplit(url).path) if url.startswith("file:") else ""
            if path and (not path.startswith(lent) or "/../" in path):
                return Doubt(text("packages from `{path}` of the stage", path=path))
            if item["is_direct"] or not filename.endswith(".whl") or not _SHA256.fullmatch(sha256):
                return Doubt(text("`{name}` is not a wheel of an index", name=name))
            if name in below:
                return Doubt(text("`{name}` {old} below would become {new}", name=name, old=below[name], new=version))
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
    return Resolution(interpreter=interpreter, wheels=tuple(wheels), installer=install.tool, compiles=install.compiles)
