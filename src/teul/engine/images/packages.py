"""The packages of an image: Python distributions and Debian packages, each with the layer that has it.

Read from the layers' folders as overlay would merge them; nothing is mounted and nothing is run. What a layer above
took away or replaced does not count.

Source: PyPA "Recording installed projects" (`*.dist-info/METADATA`); dpkg(1), `/var/lib/dpkg/status` and `status.d`.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

from teul.layers.lower import Lower

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teul.engine import Engine

PYTHON, DEBIAN = "python", "debian"
DPKG_STATUS = "var/lib/dpkg/status"
DPKG_STATUS_FOLDER = "var/lib/dpkg/status.d"
METADATA_LIMIT_BYTES = 4 << 20
STATUS_LIMIT_BYTES = 64 << 20
_DEPTH = 8
"""How many folders deep a `site-packages` is looked for."""
_PASSED_OVER = frozenset({b"proc", b"sys", b"dev", b"node_modules", b"__pycache__"})
_INSTALLED = re.compile(r"^Status: .*\binstalled$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """One installed package. *kind* is "python" or "debian", *name* as PEP 503 or dpkg writes it.

    *place* is the folder that it is in for Python's ("usr/local/lib/python3.11/site-packages"), "" for Debian's;
    *layer* is the diff id of the layer from which it is seen.
    """

    kind: str
    name: str
    version: str
    layer: str
    place: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.name, self.place


def packages(engine: Engine, image: str) -> list[Package]:
    """Every package of *image*, sorted by kind, name and place.

    Raises:
        ImageNotFound.
    """
    found = engine.images.get(image)
    names = engine.images.layers(found)
    layers = [
        (engine.snapshots.layer(name).folder, str(diff_id))
        for name, diff_id in zip(names, found.config.diff_ids, strict=True)
    ]
    merged = Lower([folder for folder, _ in layers])
    return sorted(
        [*_python(layers, merged), *_debian(layers, merged)], key=lambda item: (item.kind, item.name, item.place)
    )


def _python(layers: Sequence[tuple[str, str]], merged: Lower) -> Iterator[Package]:
    seen: set[bytes] = set()
    for folder, _ in layers:
        for path in _dist_infos(os.fsencode(folder)):
            if path in seen:
                continue
            seen.add(path)
            file = merged.find(path + b"/METADATA")
            if file is None:
                continue
            fields = _fields(_read(file[0], METADATA_LIMIT_BYTES).partition("\n\n")[0])
            if fields.get("Name") and fields.get("Version"):
                name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
                place = os.fsdecode(os.path.dirname(path))
                yield Package(PYTHON, name, fields["Version"], _layer_of(file[0], layers), place)


def _debian(layers: Sequence[tuple[str, str]], merged: Lower) -> Iterator[Package]:
    whole = merged.find(DPKG_STATUS.encode())
    texts = [(_read(whole[0], STATUS_LIMIT_BYTES), whole[0])] if whole else []
    # Images without a package manager keep a file for each package.
    names = {
        name
        for folder, _ in layers
        for name in _listed(os.fsencode(f"{folder}/{DPKG_STATUS_FOLDER}"))
        if not name.endswith(b".md5sums")
    }
    for name in sorted(names):
        file = merged.find(DPKG_STATUS_FOLDER.encode() + b"/" + name)
        if file is not None:
            texts.append((_read(file[0], METADATA_LIMIT_BYTES), file[0]))
    for content, path in texts:
        layer = _layer_of(path, layers)
        for paragraph in content.split("\n\n"):
            fields = _fields(paragraph)
            if fields.get("Package") and ("Status" not in fields or _INSTALLED.search(paragraph)):
                yield Package(DEBIAN, fields["Package"], fields.get("Version", ""), layer)


def _dist_infos(folder: bytes) -> Iterator[bytes]:
    """Paths of `*.dist-info` folders below *folder*; links are not followed."""
    waiting = [(b"", 0)]
    while waiting:
        path, depth = waiting.pop()
        try:
            with os.scandir(folder + b"/" + path if path else folder) as entries:
                found = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
        is_site = os.path.basename(path) in (b"site-packages", b"dist-packages")
        for name in found:
            below = path + b"/" + name if path else name
            if name.endswith(b".dist-info"):
                yield below
            elif not is_site and depth < _DEPTH and name not in _PASSED_OVER:
                waiting.append((below, depth + 1))


def _fields(paragraph: str) -> dict[str, str]:
    """The one-line fields of a header; the first of a name counts, what is continued is left out."""
    made: dict[str, str] = {}
    for line in paragraph.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            made.setdefault(name, value.strip())
    return made


def _read(path: bytes, limit_bytes: int) -> str:
    """The beginning of a regular file; a link of a hostile image could lead anywhere on this machine."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(limit_bytes).decode(errors="replace")


def _listed(folder: bytes) -> list[bytes]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _layer_of(path: bytes, layers: Sequence[tuple[str, str]]) -> str:
    return next((layer for folder, layer in layers if path.startswith(os.fsencode(folder) + b"/")), "")
