"""What each package of an image takes on disk, how much of it other images have too, and what stands there twice."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

from teul.engine.images.contents import contents
from teul.errors import text
from teul.events import Warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from teul.engine import Engine
    from teul.engine.images.packages import Package
    from teul.errors import Text
    from teul.events import Sink
    from teul.images import Image


@dataclass(frozen=True, slots=True)
class PackageUse:
    """The bytes of a package's files; *own_bytes* are those in layers that no other image has.

    *package* is None for the files that are no package's. *images* are the others that have any of its layers.
    """

    package: Package | None
    size_bytes: int
    own_bytes: int
    file_count: int
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Doubled:
    """A library of CUDA (`cublas`) that the image has in a folder of the system and in a `nvidia-*` wheel."""

    name: str
    system: str
    system_bytes: int
    wheel: str
    wheel_bytes: int

    def describe(self) -> Text:
        return text(
            "CUDA's {name} stands twice: {system} ({system_size:.0f} MB) and {wheel} ({wheel_size:.0f} MB)",
            name=self.name,
            system=self.system,
            system_size=self.system_bytes / 1e6,
            wheel=self.wheel,
            wheel_size=self.wheel_bytes / 1e6,
        )


def package_uses(engine: Engine, name: str) -> tuple[list[PackageUse], list[Doubled]]:
    """The packages of an image, the largest first, and last the files that are no package's; and what stands twice.

    Raises:
        ImageNotFound.
    """
    known = contents(engine, name)
    others: dict[int, set[str]] = {layer.number: set() for layer in known.layers}
    for image in engine.images.list():
        if image.id != known.image.id:
            held = set(image.config.diff_ids)
            for layer in known.layers:
                if layer.diff_id in held:
                    others[layer.number].add(image.name)
    sums: dict[int, list[int]] = {}
    images: dict[int, set[str]] = {}
    packages: dict[int, Package | None] = {}
    for path, file in known.files.items():
        if file.is_folder:
            continue
        package = known.owners.get(path)
        row = sums.setdefault(id(package), [0, 0, 0])
        packages[id(package)] = package
        row[0] += file.size_bytes
        row[1] += 0 if others[file.layer] else file.size_bytes
        row[2] += 1
        images.setdefault(id(package), set()).update(others[file.layer])
    made = [
        PackageUse(packages[key], size, own, count, tuple(sorted(images[key])))
        for key, (size, own, count) in sums.items()
    ]
    found = doubled((path, file.size_bytes) for path, file in known.files.items())
    return sorted(made, key=lambda item: (item.package is None, -item.size_bytes, str(item.package))), found


_WHEEL_LIBRARY = re.compile(
    r"(?P<site>.*/(?:site|dist)-packages)/nvidia/(?P<part>[^/]+)/lib/lib(?P<name>[A-Za-z_]+?)\.so(?:\.[0-9.]+)?"
)
_SYSTEM_LIBRARY = re.compile(
    r"(?:usr/local/cuda[^/]*/(?:targets/[^/]+/)?lib(?:64)?|usr/lib/[a-z0-9_]+-linux-gnu|usr/lib(?:64)?|lib(?:64)?)"
    r"/lib(?P<name>[A-Za-z_]+?)\.so(?:\.[0-9.]+)?"
)


def doubled(files: Iterable[tuple[str, int]]) -> list[Doubled]:
    """The CUDA libraries among *files* (path, bytes) that are in the system and in `nvidia-*` wheels, by name.

    A part has several files (`libcublas`, `libcublasLt`): the largest that stands twice speaks for it.
    """
    system: dict[str, tuple[int, str]] = {}
    wheels: dict[str, tuple[int, str, str]] = {}
    for path, size_bytes in files:
        if ".so" not in path or not size_bytes:
            continue
        match = _WHEEL_LIBRARY.fullmatch(path)
        if match is not None:
            name = match["name"]
            wheels[name] = max(wheels.get(name, (0, "", "")), (size_bytes, path, match["part"]))
            continue
        match = _SYSTEM_LIBRARY.fullmatch(path)
        if match is not None:
            system[match["name"]] = max(system.get(match["name"], (0, "")), (size_bytes, path))
    made: dict[str, Doubled] = {}
    for name, (wheel_bytes, wheel, part) in sorted(wheels.items(), key=lambda item: -item[1][0]):
        if name in system and part not in made:
            made[part] = Doubled(part, f"/{system[name][1]}", system[name][0], f"/{wheel}", wheel_bytes)
    return sorted(made.values(), key=lambda item: item.name)


def libraries(folders: Iterable[str]) -> Iterable[tuple[str, int]]:
    """(path, bytes) of the shared libraries that `doubled` asks for, in folders of layers: cheaper than reading all."""
    for top in folders:
        for place, inner, names in os.walk(top):
            relative = os.path.relpath(place, top)
            depth = 0 if relative == "." else relative.count("/") + 1
            if depth == 0:
                inner[:] = [
                    name
                    for name in inner
                    if name in ("usr", "opt", "lib", "lib64", "venv", "app", ".venv", "root", "home")
                ]
            elif os.path.basename(relative) in ("site-packages", "dist-packages"):
                inner[:] = [name for name in inner if name == "nvidia"]
            elif depth > 9:
                inner[:] = []
            for name in names:
                if ".so" in name:
                    status = os.lstat(f"{place}/{name}")
                    if stat.S_ISREG(status.st_mode):
                        yield (name if relative == "." else f"{relative}/{name}"), status.st_size


def warn_of_doubles(engine: Engine, image: Image, events: Sink) -> None:
    """Say which libraries of CUDA the system of *image* has and wheels brought again."""
    folders = [engine.snapshots.layer(layer).folder for layer in engine.images.layers(image)]
    for found in doubled(libraries(folders)):
        events(Warn("", "doubled-library", found.describe()))
