"""The packages of an image: Python distributions and Debian packages, each with the layer that has it.

Read from the layers' folders as overlay would merge them; nothing is mounted and nothing is run. What a layer above
took away or replaced does not count.

Source: PyPA "Recording installed projects" (`*.dist-info/METADATA`); dpkg(1), `/var/lib/dpkg/status` and `status.d`.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from teul.images.packages import (
    METADATA_LIMIT_BYTES,
    OS_RELEASE_LIMIT_BYTES,
    STATUS_LIMIT_BYTES,
    normal_name,
    parse_metadata,
    parse_os_release,
    parse_status,
)
from teul.images.packages import Package as Described
from teul.layers.lower import Lower

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teul.engine import Engine

PYTHON, DEBIAN = "python", "debian"
DPKG_STATUS = "var/lib/dpkg/status"
DPKG_STATUS_FOLDER = "var/lib/dpkg/status.d"
_DEPTH = 8
"""How many folders deep a `site-packages` is looked for."""
_PASSED_OVER = frozenset({b"proc", b"sys", b"dev", b"node_modules", b"__pycache__"})


@dataclass(frozen=True, slots=True)
class Package:
    """One installed package. *kind* is "python" or "debian", *name* as PEP 503 or dpkg writes it.

    *place* is the folder that it is in for Python's ("usr/local/lib/python3.11/site-packages"), "" for Debian's;
    *layer* is the diff id of the layer from which it is seen; *described* is what the package says of itself.
    """

    kind: str
    name: str
    version: str
    layer: str
    place: str
    described: Described

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.name, self.place

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


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
    return packages_of(layers)


def packages_of(layers: Sequence[tuple[str, str]]) -> list[Package]:
    """The same of a stack of layers: (folder, diff id), bottom first."""
    merged = Lower([folder for folder, _ in layers])
    return sorted(
        [*_python(layers, merged), *_debian(layers, merged)],
        key=lambda item: (item.kind, item.name, item.place, item.version),
    )


def _python(layers: Sequence[tuple[str, str]], merged: Lower) -> Iterator[Package]:
    seen: set[bytes] = set()
    for folder, _ in layers:
        for path in _infos(os.fsencode(folder)):
            if path in seen:
                continue
            seen.add(path)
            for named in [path + b"/METADATA"] if path.endswith(b".dist-info") else [path + b"/PKG-INFO", path]:
                file = merged.find(named)
                if file is None:
                    continue
                found = parse_metadata(read_file(file[0], METADATA_LIMIT_BYTES), os.fsdecode(named))
                if found is not None:
                    place = os.fsdecode(os.path.dirname(path))
                    layer = _layer_of(file[0], layers)
                    yield Package(PYTHON, normal_name(found.name), found.version, layer, place, found)
                    break


def _debian(layers: Sequence[tuple[str, str]], merged: Lower) -> Iterator[Package]:
    files = [(DPKG_STATUS, STATUS_LIMIT_BYTES)]
    # Images without a package manager keep a file for each package.
    names = {
        name
        for folder, _ in layers
        for name in _listed(os.fsencode(f"{folder}/{DPKG_STATUS_FOLDER}"))
        if not name.endswith(b".md5sums")
    }
    files += [(f"{DPKG_STATUS_FOLDER}/{os.fsdecode(name)}", METADATA_LIMIT_BYTES) for name in sorted(names)]
    distribution = parse_os_release(_read_release(merged))
    for path, limit_bytes in files:
        file = merged.find(os.fsencode(path))
        if file is not None:
            layer = _layer_of(file[0], layers)
            for found in parse_status(read_file(file[0], limit_bytes), path, distribution):
                yield Package(DEBIAN, found.name, found.version, layer, "", found)


def _read_release(merged: Lower) -> bytes:
    # `/etc/os-release` is a link to the other one in Debian.
    for path in (b"etc/os-release", b"usr/lib/os-release"):
        file = merged.find(path)
        if file is not None and stat.S_ISREG(file[1].st_mode):
            return read_file(file[0], OS_RELEASE_LIMIT_BYTES)
    return b""


def _infos(folder: bytes) -> Iterator[bytes]:
    """Paths of `*.dist-info` folders and of `*.egg-info` below *folder*; links are not followed."""
    waiting = [(b"", 0)]
    while waiting:
        path, depth = waiting.pop()
        try:
            with os.scandir(folder + b"/" + path if path else folder) as entries:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except OSError:
            continue
        is_site = os.path.basename(path) in (b"site-packages", b"dist-packages")
        for name, is_folder in found:
            below = path + b"/" + name if path else name
            if name.endswith(b".egg-info") or (is_folder and name.endswith(b".dist-info")):
                yield below
            elif is_folder and not is_site and depth < _DEPTH and name not in _PASSED_OVER:
                waiting.append((below, depth + 1))


def read_file(path: bytes, limit_bytes: int) -> bytes:
    """The beginning of a regular file, b"" for all else: a link of a hostile image could lead anywhere on this machine."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return file.read(limit_bytes)


def _listed(folder: bytes) -> list[bytes]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _layer_of(path: bytes, layers: Sequence[tuple[str, str]]) -> str:
    return next((layer for folder, layer in layers if path.startswith(os.fsencode(folder) + b"/")), "")
