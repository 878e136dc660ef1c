"""What an image's files belong to: for each path its layer, and for each package its files.

Read from the layers' folders as overlay would merge them; nothing is mounted and nothing is run. What an image says of
itself may be a lie: a RECORD or a file list owns only what is there, and the first package that names a file keeps it.

Source: PyPA "Recording installed projects" (RECORD); dpkg(1), `/var/lib/dpkg/info/*.list`.
"""

from __future__ import annotations

import csv
import io
import os
import posixpath
import re
import stat
from dataclasses import dataclass

from teul.engine.images.packages import PYTHON, Package, packages_of, read_file
from teul.layers.lower import Lower
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from teul.engine import Engine
    from teul.images import Image

DPKG_INFO = "var/lib/dpkg/info"
LIST_LIMIT_BYTES = 32 << 20
_BYTECODE = re.compile(r"(?P<folder>.*)__pycache__/(?P<name>[^/]+?)\.[a-z]+-?[0-9]+(?:\.opt-[0-9])?\.pyc")

_SITE = re.compile(r"lib(?:64)?/python[0-9.]*/(?:site|dist)-packages/$")


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """A layer of an image: `number` counts from 0 at the bottom; `holds` is what the builder says is in it
    (`pandas 2.2.2`), "" when it says nothing; `base` names the image below that it came with, "" for an own layer.
    """

    number: int
    diff_id: Digest
    folder: str
    created_by: str
    holds: str
    base: str


@dataclass(frozen=True, slots=True)
class File:
    """One entry of the merged tree: where it lies on this machine, and in which layer."""

    layer: int
    place: bytes
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def size_bytes(self) -> int:
        """Of a regular file's or a link's content; of each of several hard links its share."""
        if self.is_folder:
            return 0
        return self.status.st_size // max(1, self.status.st_nlink)


@dataclass(frozen=True, slots=True)
class Contents:
    """An image with its layers, packages, files (by path without the leading `/`), and who owns which."""

    image: Image
    layers: tuple[LayerFacts, ...]
    packages: tuple[Package, ...]
    files: Mapping[str, File]
    owners: Mapping[str, Package]

    def files_of(self, package: Package) -> list[str]:
        """The paths that are the package's, sorted; what was taken away above is not among them."""
        return sorted(path for path, owner in self.owners.items() if owner is package)

    def resolve(self, path: str, working_folder: str = "") -> str:
        """A path of the image with the links on the way to its last part followed, as a program there would."""
        pending = [part for part in posixpath.join("/", working_folder, path).split("/") if part not in ("", ".")]
        made: list[str] = []
        links = 0
        while pending:
            part = pending.pop(0)
            if part == "..":
                made = made[:-1]
                continue
            made.append(part)
            file = self.files.get("/".join(made))
            if pending and file is not None and stat.S_ISLNK(file.status.st_mode) and links < 40:
                links += 1
                target = os.readlink(os.fsdecode(file.place))
                made = [] if target.startswith("/") else made[:-1]
                pending = [piece for piece in target.split("/") if piece not in ("", ".")] + pending
        return "/".join(made)


def contents(engine: Engine, name: str) -> Contents:
    """Read the image *name*.

    Raises:
        ImageNotFound.
    """
    image = engine.images.get(name)
    layers = layer_facts(engine, image)
    stack = [(layer.folder, str(layer.diff_id)) for layer in layers]
    files = {
        os.fsdecode(path): File(number, place, status)
        for path, number, place, status in Lower([folder for folder, _ in stack]).walk()
    }
    found = packages_of(stack)
    made = Contents(image, layers, tuple(found), files, {})
    return Contents(image, layers, tuple(found), files, _owners(made))


def layer_facts(engine: Engine, image: Image) -> tuple[LayerFacts, ...]:
    """The layers of *image*, bottom first, with what made each."""
    config = image.config
    lines = [line for line in config.history if not line.empty_layer]
    if len(lines) != len(config.diff_ids):  # some tools write no history, or less than there are layers
        lines = []
    bases = _bases(engine, image)
    made = []
    for number, (name, diff_id) in enumerate(zip(engine.images.layers(image), config.diff_ids, strict=True)):
        line = lines[number] if lines else None
        holds = line.comment if line is not None and _is_piece(line.comment) else ""
        words = " ".join(line.created_by.split()) if line is not None else ""
        made.append(
            LayerFacts(number, diff_id, engine.snapshots.layer(name).folder, words, holds, bases.get(number, ""))
        )
    return tuple(made)


def _bases(engine: Engine, image: Image) -> dict[int, str]:
    """Number of layer → the image below that has it on top of others or alone: the smallest that contains it."""
    diff_ids = image.config.diff_ids
    stacks = sorted(
        (len(other.config.diff_ids), other.name)
        for other in engine.images.list()
        if other.names
        and 0 < len(other.config.diff_ids) < len(diff_ids)
        and diff_ids[: len(other.config.diff_ids)] == other.config.diff_ids
    )
    made: dict[int, str] = {}
    for count, name in stacks:
        for number in range(count):
            made.setdefault(number, name)
    return made


_PIECE = re.compile(r"[a-z0-9][a-z0-9-]* [^ ,]+(?:, [a-z0-9][a-z0-9-]* [^ ,]+)*")


def _is_piece(comment: str) -> bool:
    """Whether a line of history is one that the builder wrote for wheels."""
    return _PIECE.fullmatch(comment) is not None and comment != "buildkit.dockerfile.v0"


def _owners(known: Contents) -> dict[str, Package]:
    made: dict[str, Package] = {}
    notes: dict[str, list[str]] = {}
    for path in known.files:
        if path.startswith(f"{DPKG_INFO}/"):
            notes.setdefault(path[len(DPKG_INFO) + 1 :].rpartition(".")[0], []).append(path)
    for package in known.packages:
        claimed = _recorded(known, package) if package.kind == PYTHON else _listed(known, package, notes)
        for path in claimed:
            file = known.files.get(path)
            if file is not None and not file.is_folder:
                made.setdefault(path, package)
    for path in known.files:
        match = _BYTECODE.fullmatch(path) if path.endswith(".pyc") and path not in made else None
        if match is not None:
            owner = made.get(f"{match['folder']}{match['name']}.py")
            if owner is not None:
                made[path] = owner
    return made


def _recorded(known: Contents, package: Package) -> Iterable[str]:
    folder = posixpath.dirname(package.described.place)
    found = known.files.get(f"{folder}/RECORD")
    if found is None:  # an .egg-info has none
        return [package.described.place]
    text = read_file(found.place, LIST_LIMIT_BYTES).decode(errors="surrogateescape")
    try:
        rows = [row[0] for row in csv.reader(io.StringIO(text, newline="")) if row and row[0]]
    except csv.Error:
        return []
    # An installer puts nothing outside the environment; a claim to more is not believed.
    prefix = _SITE.sub("", f"{package.place}/")
    paths = (posixpath.normpath(posixpath.join("/", package.place, row))[1:] for row in rows)
    return [path for path in paths if path.startswith(prefix)]


def _listed(known: Contents, package: Package, notes: Mapping[str, list[str]]) -> Iterable[str]:
    for name in (package.name, f"{package.name}:{package.described.architecture}"):
        found = known.files.get(f"{DPKG_INFO}/{name}.list")
        if found is not None:
            lines = read_file(found.place, LIST_LIMIT_BYTES).decode(errors="surrogateescape").splitlines()
            # Lists still say /lib and /bin where these are links into /usr.
            return [*(known.resolve(line) for line in lines if line.startswith("/")), *notes.get(name, ())]
    return []
