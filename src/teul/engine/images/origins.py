"""Where a path or a package of an image comes from: the layer, the package, the instruction. Must not print."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass

from teul.engine.images.contents import contents
from teul.engine.images.packages import PYTHON, read_file
from teul.errors import InvalidInput, text
from teul.images.packages import normal_name
from teul.layers.lower import whiteouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.engine.images.contents import Contents, LayerFacts
    from teul.engine.images.packages import Package

TAG_LIMIT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class PathOrigin:
    """A path of an image. *layer* is where it is seen from, or that which removed it; *replaced* are the layers below
    that have one too, top first; *package* owns it.
    """

    path: str
    layer: LayerFacts
    package: Package | None
    wheel: str
    replaced: tuple[LayerFacts, ...] = ()
    is_removed: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class PackageOrigin:
    """An installed package. *layers* has the layers of its files with their bytes, the most first; *shared* the images
    that have the first of them; *is_requested* says whether an install named it, *needed_by* which packages do.
    """

    package: Package
    layers: tuple[tuple[LayerFacts, int], ...]
    file_count: int
    size_bytes: int
    wheel: str
    installer: str
    is_requested: bool
    needed_by: tuple[str, ...]
    shared: tuple[str, ...]


def origins(engine: Engine, image: str, thing: str) -> list[PathOrigin | PackageOrigin]:
    """What *thing*, a path or a package's name, is in *image*; a name can be several packages (Python's and Debian's).

    A path is absolute or relative to the image's working folder; where a package has the name, the package is meant.

    Raises:
        ImageNotFound.
        InvalidInput: nothing of that name is in the image.
    """
    known = contents(engine, image)
    if "/" not in thing:
        name = normal_name(thing)
        found = [item for item in known.packages if name == item.name or thing == item.name]
        if found:
            return [_package(engine, known, item) for item in found]
    path = known.resolve(thing, known.image.config.config.working_dir)
    return [_path(known, path, thing)]


def wheel_name(known: Contents, package: Package) -> str:
    """The file name of the wheel that a Python package came in, "" where it does not say: built from its `WHEEL`."""
    if package.kind != PYTHON:
        return ""
    info = posixpath.dirname(package.described.place)
    file = known.files.get(f"{info}/WHEEL")
    if file is None:
        return ""
    python: list[str] = []
    abi: list[str] = []
    platform: list[str] = []
    build = ""
    for line in read_file(file.place, TAG_LIMIT_BYTES).decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "Tag":
            for part, made in zip(value.strip().split("-"), (python, abi, platform), strict=False):
                made += [part] if part not in made else []
        elif name == "Build":
            build = f"-{value.strip()}"
    if not platform:
        return ""
    stem = posixpath.basename(info).removesuffix(".dist-info")
    return f"{stem}{build}-{'.'.join(python)}-{'.'.join(abi)}-{'.'.join(platform)}.whl"


def _package(engine: Engine, known: Contents, package: Package) -> PackageOrigin:
    bytes_of: dict[int, int] = {}
    paths = known.files_of(package)
    for path in paths:
        file = known.files[path]
        bytes_of[file.layer] = bytes_of.get(file.layer, 0) + file.size_bytes
    layers = sorted(((known.layers[number], size) for number, size in bytes_of.items()), key=lambda item: -item[1])
    info = posixpath.dirname(package.described.place)

    def said(name: str) -> str:
        file = known.files.get(f"{info}/{name}") if package.kind == PYTHON else None
        return "" if file is None else read_file(file.place, TAG_LIMIT_BYTES).decode(errors="replace").strip()

    shared: tuple[str, ...] = ()
    if layers:
        top = layers[0][0].diff_id
        shared = tuple(
            sorted(
                other.name
                for other in engine.images.list()
                if other.id != known.image.id and top in other.config.diff_ids
            )
        )
    return PackageOrigin(
        package,
        tuple(layers),
        len(paths),
        sum(bytes_of.values()),
        wheel_name(known, package),
        said("INSTALLER"),
        package.kind == PYTHON and f"{info}/REQUESTED" in known.files,
        tuple(
            sorted(
                {
                    item.name
                    for item in known.packages
                    if item.kind == package.kind and package.name in item.described.requires
                }
            )
        ),
        shared,
    )


def _path(known: Contents, path: str, wanted: str) -> PathOrigin:
    file = known.files.get(path)
    having = [layer for layer in reversed(known.layers) if os.path.lexists(f"{layer.folder}/{path}")] if path else []
    if file is not None:
        layer = known.layers[file.layer]
        package = known.owners.get(path)
        below = () if file.is_folder else tuple(item for item in having if item.number < layer.number)
        link = os.readlink(os.fsdecode(file.place)) if not file.is_folder and os.path.islink(file.place) else ""
        return PathOrigin(path, layer, package, wheel_name(known, package) if package else "", below, link=link)
    for layer in reversed(known.layers):
        hidden = {os.fsdecode(item) for item in whiteouts(layer.folder)}
        above = next((name for name in (path, *_parents(path)) if name in hidden), None)
        if above is not None:
            return PathOrigin(
                path, layer, None, "", tuple(i for i in having if i.number < layer.number), is_removed=True
            )
    raise InvalidInput(
        text("`{thing}`: no package and no path of `{image}` has that name", thing=wanted, image=known.image.name),
        hint=text("teul image df {image}", image=known.image.name),
    )


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
