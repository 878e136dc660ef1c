"""The packages in a tree: Debian's from dpkg's status, Python's from their `.dist-info`. Must not write anything.

What is read comes from an image and may be anything: links are followed inside the tree only, files have a limit.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STATUS_LIMIT_BYTES = 64 << 20
METADATA_LIMIT_BYTES = 4 << 20
OS_RELEASE_LIMIT_BYTES = 1 << 16
PLACES = ("usr", "opt", "venv", "app", "home", "root", "srv", "workspace", "code")
"""The folders at the root that are searched for Python's packages (and what hides behind a dot in them, `.venv`)."""

_REQUIRES = re.compile(r"Requires-Dist:\s*([A-Za-z0-9][A-Za-z0-9._-]*)", re.IGNORECASE)
_EXTRA = re.compile(r";.*\bextra\s*==")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One installed package. *kind* is "deb" or "pypi"; *place* is the file in the tree that says so."""

    kind: str
    name: str
    version: str
    architecture: str = ""
    license: str = ""
    place: str = ""
    distribution: str = ""
    requires: tuple[str, ...] = ()
    """Names of what it needs (PEP 503, without extras); Python's only."""

    @property
    def purl(self) -> str:
        """Its package URL (purl-spec, types deb and pypi)."""
        from urllib.parse import quote

        if self.kind == "pypi":
            return f"pkg:pypi/{quote(normal_name(self.name))}@{quote(self.version, safe='')}"
        where = quote(self.distribution or "debian")
        extra = f"?arch={quote(self.architecture)}" if self.architecture else ""
        return f"pkg:deb/{where}/{quote(self.name)}@{quote(self.version, safe='')}{extra}"


def read_packages(root: str) -> tuple[Package, ...]:
    """All packages of the tree at *root* (a folder on this machine), sorted."""
    distribution = _distribution(root)
    return tuple(sorted({*_debian(root, distribution), *_python(root)}))


def _open(root: str, path: str, limit_bytes: int) -> bytes | None:
    """A file of the tree, None when it is none; no link on the way leads out of it."""
    parts = [part for part in path.split("/") if part]
    made: list[str] = []
    links = 0
    while parts:
        part = parts.pop(0)
        if part in (".", ""):
            continue
        if part == "..":
            made = made[:-1]
            continue
        try:
            target = os.readlink("/".join([root, *made, part]))
        except OSError:
            made.append(part)
            continue
        links += 1
        if links > 40:
            return None
        made = [] if target.startswith("/") else made
        parts = [piece for piece in target.split("/") if piece] + parts
    try:
        descriptor = os.open("/".join([root, *made]), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit_bytes:
            return None
        return file.read(limit_bytes)


def _distribution(root: str) -> str:
    return parse_os_release(_open(root, "etc/os-release", OS_RELEASE_LIMIT_BYTES) or b"")


def parse_os_release(data: bytes) -> str:
    """The distribution's name (`debian`), "" when the file does not say. Source: os-release(5), ID."""
    for line in data.decode(errors="replace").splitlines():
        if line.startswith("ID="):
            return line[3:].strip("\"' ")
    return ""


def _debian(root: str, distribution: str) -> Iterator[Package]:
    places = ["var/lib/dpkg/status"]
    try:
        places += [f"var/lib/dpkg/status.d/{name}" for name in sorted(os.listdir(f"{root}/var/lib/dpkg/status.d"))]
    except OSError:
        pass
    for place in places:
        yield from parse_status(_open(root, place, STATUS_LIMIT_BYTES) or b"", place, distribution)


def parse_status(data: bytes, place: str, distribution: str) -> Iterator[Package]:
    """The installed packages of a dpkg status file that lies at *place*."""
    for paragraph in data.decode(errors="replace").split("\n\n"):
        fields = _fields(paragraph)
        if fields.get("package") and fields.get("version") and _is_installed(fields.get("status", "")):
            yield Package(
                "deb",
                fields["package"],
                fields["version"],
                architecture=fields.get("architecture", ""),
                place=place,
                distribution=distribution,
            )


def _is_installed(status: str) -> bool:
    # Distroless images have no status line.
    return not status or status.split()[-1] in ("installed", "half-configured", "triggers-pending", "triggers-awaited")


def _python(root: str) -> Iterator[Package]:
    tops = [name for name in os.listdir(root) if name in PLACES or name.startswith(".")] if os.path.isdir(root) else []
    for top in sorted(tops):
        if os.path.islink(f"{root}/{top}"):
            continue
        for place, folders, names in os.walk(f"{root}/{top}"):
            folders.sort()
            inner = [name for name in folders if name.endswith((".dist-info", ".egg-info"))]
            for name in inner:
                found = _described(root, f"{place[len(root) + 1 :]}/{name}")
                if found is not None:
                    yield found
            for name in names:
                if name.endswith(".egg-info"):
                    found = _read_metadata(root, f"{place[len(root) + 1 :]}/{name}")
                    if found is not None:
                        yield found
            folders[:] = [name for name in folders if name not in inner and name != "__pycache__"]


def _described(root: str, folder: str) -> Package | None:
    name = "METADATA" if folder.endswith(".dist-info") else "PKG-INFO"
    return _read_metadata(root, f"{folder}/{name}")


def _read_metadata(root: str, path: str) -> Package | None:
    data = _open(root, path, METADATA_LIMIT_BYTES)
    return None if data is None else parse_metadata(data, path)


def parse_metadata(data: bytes, place: str) -> Package | None:
    """The Python distribution that METADATA or PKG-INFO at *place* describes; None when it has no name or version."""
    header = data.decode(errors="replace").replace("\r\n", "\n").partition("\n\n")[0]
    fields = _fields(header)
    if not fields.get("name") or not fields.get("version"):
        return None
    said = fields.get("license-expression") or fields.get("license", "")
    requires = {
        normal_name(match[1])
        for line in header.splitlines()
        if (match := _REQUIRES.match(line)) and not _EXTRA.search(line)
    }
    return Package(
        "pypi",
        fields["name"],
        fields["version"],
        license=said if len(said) < 100 else "",
        place=place,
        requires=tuple(sorted(requires)),
    )


def normal_name(name: str) -> str:
    """PEP 503: `Flask_Thing` → `flask-thing`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _fields(paragraph: str) -> dict[str, str]:
    """The first line of each field, by its name in lower case."""
    made: dict[str, str] = {}
    for line in paragraph.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t")):
            made.setdefault(name.strip().lower(), value.strip())
    return made
