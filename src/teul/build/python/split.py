"""Post-split: cut what a command wrote into one layer for each large wheel, sixteen buckets, and a remainder on top.

The command runs unmodified; afterwards the snapshot's upper folder is cut by ownership: a file belongs to the
distribution whose `*.dist-info/RECORD` names it. Must not know which command ran, and must not mount or commit.

A layer of a wheel's own holds what depends on the wheel alone: RECORD without the rows that tell how it came to be
installed. Where it was asked for by name, or came from an address, the true RECORD and the files that say so lie in one
of sixteen small layers above; so pandas has one layer whether a project names it or something else needs it, and naming
one more large distribution sends no other's RECORD again.

Always valid, because whatever is not a plain new file of exactly one distribution stays in the remainder, which lies on
top with every folder's own entry: whiteouts, links, files with extended attributes, files that two distributions
claim, everything below an opaque folder. The flattened tree is therefore the same as without the cut.

The rule which distribution gets a layer of its own looks at nothing but the distribution itself (its size) and the
number of layers, so it gives the same on every machine, and one more wheel changes one layer.

Source: PyPA "Recording installed projects" (RECORD, dist-info); image-spec v1.1 layer.md.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import stat
from dataclasses import dataclass

from teul.build.python.wheel import NOTES, make_folders, plain_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from teul.layers.lower import Lookup

OWN_LAYER_BYTES = 4 << 20
"""A distribution whose installed files are at least this large has a layer of its own."""
BUCKETS = 16
LAYER_BUDGET = 100
"""At most so many layers below the remainder, those of the stage included: Docker stops at 125."""
RECORD_LIMIT_BYTES = 32 << 20
_HARMLESS_ATTRIBUTES = (
    "trusted.overlay.origin",
    "trusted.overlay.impure",
    "user.overlay.origin",
    "user.overlay.impure",
)
_DIST_INFO = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._]*)-(?P<version>[^-]+)\.dist-info")

_IS_TAG = re.compile(r"[a-z]+-\d+(?:\.opt-\d)?\.pyc")


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution: its name (normalised as PEP 503 says), version, and the files that are its alone."""

    name: str
    version: str
    files: tuple[str, ...]
    """Paths relative to the upper folder, sorted."""
    size_bytes: int
    """Of the files, without `notes`."""
    notes: tuple[str, ...] = ()
    """RECORD, and what else tells how it came to be installed (`wheel.NOTES`)."""
    is_asked: bool = False
    """Whether the notes say more than the wheel does."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Group:
    """The content of one layer: what it is called and which files go into it."""

    name: str
    files: tuple[str, ...]
    size_bytes: int
    notes: tuple[str, ...] = ()
    """Of a distribution with a layer of its own; those of others are among the files."""


def find_distributions(upper: str) -> list[Distribution]:
    """The distributions whose RECORD is in *upper*, sorted by name, each with the plain files that only it claims."""
    records = _records(upper)
    claims: dict[str, int] = {}
    claimed: list[tuple[str, str, str, str, set[str]]] = []
    bytecode: dict[str, list[str]] = {}
    for name, version, site, info_dir, data in records:
        paths = _paths(site, data)
        # uv compiles without writing it down.
        paths |= {made for path in paths if path.endswith(".py") for made in _bytecode(upper, path, bytecode)}
        claimed.append((name, version, site, info_dir, paths))
        for path in paths:
            claims[path] = claims.get(path, 0) + 1
    made = []
    folders: dict[str, bool] = {}
    for name, version, site, info_dir, paths in claimed:
        size_bytes = 0
        files = []
        notes = []
        marks = tuple(os.path.normpath(f"{site}/{info_dir}/{note}") for note in NOTES)
        for path in sorted(paths):
            if claims[path] == 1 and (found := _plain_size(upper, path, folders)) is not None:
                if path in marks:
                    notes.append(path)
                    continue
                files.append(path)
                size_bytes += found
        if files:
            record = data.encode("utf-8", "surrogateescape")
            is_asked = len(notes) > 1 or (bool(notes) and plain_record(record, info_dir) != record)
            made.append(Distribution(name, version, tuple(files), size_bytes, tuple(notes), is_asked))
    return sorted(made, key=lambda item: (item.name, item.version))


def group(distributions: list[Distribution], *, layers_below: int = 0) -> list[Group]:
    """Decide the layers, bottom first: large distributions by name, then the buckets that have anything in them, then
    the notes of large ones that were asked for.

    When the budget is too small for all the large ones, the largest keep their layer and the others go to buckets.
    """
    room = max(0, LAYER_BUDGET - 2 * BUCKETS - layers_below)
    large = sorted(
        (item for item in distributions if item.size_bytes >= OWN_LAYER_BYTES),
        key=lambda item: (-item.size_bytes, item.name),
    )[:room]
    own = {(item.name, item.version) for item in large}
    made = [
        Group(str(item), item.files, item.size_bytes, item.notes) for item in sorted(large, key=lambda item: item.name)
    ]
    buckets: dict[int, list[Distribution]] = {}
    for item in distributions:
        if (item.name, item.version) not in own:
            buckets.setdefault(bucket(item.name), []).append(item)
    for _, members in sorted(buckets.items()):
        made.append(
            Group(
                ", ".join(str(item) for item in members),
                tuple(sorted(path for item in members for path in (*item.files, *item.notes))),
                sum(item.size_bytes for item in members),
            )
        )
    asked: dict[int, list[Distribution]] = {}
    for item in distributions:
        if (item.name, item.version) in own and item.is_asked:
            asked.setdefault(bucket(item.name), []).append(item)
    for _, members in sorted(asked.items()):
        made.append(Group(notes_name(members), tuple(path for item in members for path in item.notes), 0))
    return made


def notes_name(members: Sequence[object]) -> str:
    """What the layer of the notes of *members* (each shown as `pandas 2.2.2`) is called."""
    return f"RECORD of {', '.join(str(item) for item in members)}"


def bucket(name: str) -> int:
    """Which of the sixteen buckets a small distribution belongs to, by its name alone."""
    return hashlib.sha256(name.encode()).digest()[0] % BUCKETS


def move(upper: str, files: tuple[str, ...], target: str, *, mtime_s: int, notes: tuple[str, ...] = ()) -> set[str]:
    """Move *files* from *upper* to the empty folder *target* of the same filesystem, below folders of their own.

    The folders are 0755, of root and of the time *mtime_s*: they must not depend on what else is installed beside
    them. The true entries stay in *upper*, which becomes the layer on top; their times stay as they are.
    Returns the folders.

    Args:
        notes: RECORD, which goes along where it says no more than the wheel does; else a plain copy of it.
    """
    made: set[str] = set()
    left: dict[str, os.stat_result] = {}
    for note in notes:
        if os.path.basename(note) == "RECORD":
            with open(f"{upper}/{note}", "rb") as file:
                record = file.read()
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            plain = plain_record(record, os.path.basename(os.path.dirname(note)))
            if plain == record and len(notes) == 1:
                files = (*files, note)
            else:
                make_folders(target, os.path.dirname(note), made)
                write_record(f"{target}/{note}", plain, mtime_s=mtime_s, mode=mode)
    for path in files:
        parent = os.path.dirname(path)
        if parent not in left:
            left[parent] = os.stat(f"{upper}/{parent}")
            if parent:
                make_folders(target, parent, made)
        os.rename(f"{upper}/{path}", f"{target}/{path}")
    for parent, status in left.items():
        os.utime(f"{upper}/{parent}", ns=(status.st_atime_ns, status.st_mtime_ns))
    for folder in sorted(made, key=len, reverse=True):
        os.utime(f"{target}/{folder}", (mtime_s, mtime_s))
    os.utime(target, (mtime_s, mtime_s))
    return made


def write_record(path: str, data: bytes, *, mtime_s: int, mode: int = 0o644) -> None:
    """A RECORD as pip leaves it, with the time *mtime_s*."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
    os.utime(path, (mtime_s, mtime_s))


def prune(upper: str, folders: Iterable[str], lower: Lookup, *, mtime_s: int, owner: tuple[int, int] = (0, 0)) -> None:
    """Remove the empty folders of *upper* that say nothing: what lies below shows the same entry without them.

    So the remainder does not change with every wheel.

    Args:
        folders: those that the layers between *lower* and *upper* have, all of them 0755, of *owner* (user and
            group) and of *mtime_s*.
    """
    between = set(folders)
    for folder, _, _ in os.walk(upper, topdown=False):
        path = os.path.relpath(folder, upper)
        if path == "." or os.listdir(folder):
            continue
        status = os.lstat(folder)
        if any(name not in _HARMLESS_ATTRIBUTES for name in os.listxattr(folder, follow_symlinks=False)):
            continue
        said = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns)
        if path in between:
            shown = (0o755, *owner, mtime_s * 10**9)
        else:
            found = lower.find(os.fsencode(path))
            if found is None or not stat.S_ISDIR(found[1].st_mode) or os.listxattr(found[0]):
                continue
            shown = (stat.S_IMODE(found[1].st_mode), found[1].st_uid, found[1].st_gid, found[1].st_mtime_ns)
        if said == shown:
            parent = os.path.dirname(folder)
            kept = os.lstat(parent)
            os.rmdir(folder)
            os.utime(parent, ns=(kept.st_atime_ns, kept.st_mtime_ns))


def _records(upper: str) -> list[tuple[str, str, str, str, str]]:
    """(name, version, site folder relative to *upper*, `.dist-info` folder, RECORD's text) of every RECORD that is a plain file."""
    found = []
    for folder, folders, _ in os.walk(upper, followlinks=False):
        for entry in folders:
            match = _DIST_INFO.fullmatch(entry)
            record = f"{folder}/{entry}/RECORD"
            if match is None or os.path.islink(f"{folder}/{entry}"):
                continue
            try:
                status = os.lstat(record)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size <= RECORD_LIMIT_BYTES:
                with open(record, encoding="utf-8", errors="surrogateescape", newline="") as file:
                    text = file.read()
                name = re.sub(r"[-_.]+", "-", match["name"]).lower()
                found.append((name, match["version"], os.path.relpath(folder, upper), entry, text))
    return sorted(found)


def _paths(site: str, record: str) -> set[str]:
    """The files that a RECORD names, relative to the upper folder; what would leave it is not a claim."""
    paths: set[str] = set()
    try:
        rows = list(csv.reader(io.StringIO(record)))
    except csv.Error:
        return paths
    for row in rows:
        if not row or not row[0] or "\0" in row[0]:
            continue
        path = row[0]
        joined = os.path.normpath(path.lstrip("/") if path.startswith("/") else f"{site}/{path}")
        if joined != ".." and not joined.startswith("../") and joined != ".":
            paths.add(joined)
    return paths


def _bytecode(upper: str, source: str, known: dict[str, list[str]]) -> list[str]:
    """The bytecode of *source* that is in *upper* (PEP 3147); *known* remembers folders."""
    parent, _, name = source.rpartition("/")
    folder = f"{parent}/__pycache__".lstrip("/")
    if folder not in known:
        is_plain = _is_plain_folder(upper, folder, {})
        known[folder] = [item for item in os.listdir(f"{upper}/{folder}") if item.endswith(".pyc")] if is_plain else []
    start = name.removesuffix("py")
    return [
        f"{folder}/{item}" for item in known[folder] if item.startswith(start) and _IS_TAG.fullmatch(item, len(start))
    ]


def _plain_size(upper: str, path: str, folders: dict[str, bool]) -> int | None:
    """The size (bytes) of a regular file that may leave the remainder, else None."""
    parent = os.path.dirname(path)
    if not _is_plain_folder(upper, parent, folders):
        return None
    try:
        status = os.lstat(f"{upper}/{path}")
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_nlink != 1
            or os.listxattr(f"{upper}/{path}", follow_symlinks=False)
        ):
            return None
    except OSError:
        return None
    return status.st_size


def _is_plain_folder(upper: str, folder: str, known: dict[str, bool]) -> bool:
    """Whether *folder* and all above it, up to *upper*, are real folders that hide nothing below them."""
    if not folder:
        return True
    if folder not in known:
        known[folder] = False
        if _is_plain_folder(upper, os.path.dirname(folder), known):
            try:
                status = os.lstat(f"{upper}/{folder}")
                known[folder] = stat.S_ISDIR(status.st_mode) and not any(
                    name.endswith("overlay.opaque") for name in os.listxattr(f"{upper}/{folder}", follow_symlinks=False)
                )
            except OSError:
                known[folder] = False
    return known[folder]
