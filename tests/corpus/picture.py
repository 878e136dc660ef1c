"""An image as a few lines of text: what its layers make of the base's tree, and its config."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, Any

OLD = 1_500_000_000
"""Times before are given to files by people; later ones are those of the build."""
MARK = ".wh."
OPAQUE = ".wh..wh..opq"
KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "block",
}


@dataclass(frozen=True, eq=False)
class Inode:
    """Two paths of one inode are hard links of each other, hence compared by identity."""

    status: str
    time: str

    def line(self, path: str) -> str:
        return f"{path} {self.status}"


Tree = dict[str, Inode]


def flatten(layers: Iterable[IO[bytes]], below: Mapping[str, Inode] | None = None) -> Tree:
    """Lay the tars of *layers* over *below*, as the image spec's layer.md says under "Applying Changesets"."""
    tree = dict(below or {})
    for layer in layers:
        with tarfile.open(fileobj=layer, mode="r|*") as archive:
            new: set[str] = set()
            for member in archive:
                _apply(tree, new, archive, member)
    return tree


def _apply(tree: Tree, new: set[str], archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    path = "/" + member.name.strip("/").removeprefix("./").strip("/")
    folder, _, name = path.rpartition("/")
    if name == OPAQUE:
        _remove(tree, folder, new, itself=False)
    elif name.startswith(MARK):
        _remove(tree, f"{folder}/{name.removeprefix(MARK)}", new, itself=True)
    elif path not in ("/", "/."):
        if member.type == tarfile.LNKTYPE:
            made = tree["/" + member.linkname.strip("/").removeprefix("./")]
        else:
            made = _inode(archive, member)
        if member.type != tarfile.DIRTYPE:
            _remove(tree, path, new, itself=False)
        tree[path] = made
        new.add(path)


def _remove(tree: Tree, path: str, new: set[str], *, itself: bool) -> None:
    for other in [key for key in tree if key.startswith(path + "/") or (itself and key == path)]:
        if other not in new:
            del tree[other]


def _inode(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Inode:
    words = [KINDS[member.type], f"{member.mode:04o}", f"{member.uid}:{member.gid}"]
    if member.type == tarfile.SYMTYPE:
        words.append(f"-> {member.linkname}")
    elif member.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        words.append(f"{member.devmajor},{member.devminor}")
    elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
        content = archive.extractfile(member)
        assert content is not None
        data = content.read()
        if member.name.endswith(".pyc"):
            words.append("compiled")  # holds its source's time: no two builds of Docker's agree
        else:
            words.append(f"{len(data)} {sha256(data).hexdigest()[:16]}")
    for key, value in sorted(member.pax_headers.items()):
        if key.startswith("SCHILY.xattr.") and not key.startswith("SCHILY.xattr.trusted.overlay"):
            words.append(f"{key.removeprefix('SCHILY.xattr.')}={value.encode('utf-8', 'surrogateescape').hex()}")
    return Inode(" ".join(words), f"{int(member.mtime)}" if member.mtime < OLD else "built")


def picture(base: Mapping[str, Inode], tree: Mapping[str, Inode], config: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded, and compared.

    Returns:
        `tree`: path → status, of all that is not as in *base* (null: gone); `times`: path → the time that a file has
        from a person; `config`: without the history of the base, times and digests.
    """
    changed: dict[str, str | None] = {}
    times: dict[str, str] = {}
    first: dict[int, str] = {}
    for path in sorted(base.keys() | tree.keys()):
        inode = tree.get(path)
        if inode is None:
            changed[path] = None
            continue
        group = first.setdefault(id(inode), path)
        if inode is base.get(path):
            continue
        known = base.get(path)
        if known is not None and known.status == inode.status:
            continue
        changed[path] = inode.status if group == path else f"= {group}"
        times[path] = inode.time
    shown = dict(config)
    shown["history"] = [
        {key: value for key, value in line.items() if key != "created"}
        for line in config.get("history", ())[bool(base) :]
    ]
    shown["layers"] = len(config["rootfs"].get("diff_ids") or ()) - bool(base)
    del shown["rootfs"]
    shown["created"] = "given" if config.get("created") else ""
    # The server that lends the files of ADD has another port each time.
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", json.dumps(shown))
    return {"tree": changed, "times": times, "config": json.loads(text)}


def of_archive(path: str, base: Mapping[str, Inode]) -> dict[str, Any]:
    """The picture of what `docker save` wrote; the first layer is *base*'s, if that has any file."""
    with tarfile.open(path) as archive:

        def read(name: str) -> bytes:
            found = archive.extractfile(name)
            assert found is not None, name
            return found.read()

        (entry,) = json.loads(read("manifest.json"))
        layers = (io.BytesIO(read(name)) for name in entry["Layers"][bool(base) :])
        return picture(base, flatten(layers, base), json.loads(read(entry["Config"])))


def differences(expected: Any, actual: Any, place: str = "") -> dict[str, tuple[Any, Any]]:
    """Place (`config/config/Env/2`, `tree//etc/passwd`) → (expected, actual); None stands for "is not there"."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        made: dict[str, tuple[Any, Any]] = {}
        for key in sorted(expected.keys() | actual.keys()):
            inner = f"{place}/{key}" if place else key
            if (key in expected) != (key in actual):
                made[inner] = (expected.get(key, "absent"), actual.get(key, "absent"))
            else:
                made |= differences(expected[key], actual[key], inner)
        return made
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        made = {}
        for number, (one, other) in enumerate(zip(expected, actual, strict=True)):
            made |= differences(one, other, f"{place}/{number}")
        return made
    return {} if expected == actual else {place: (expected, actual)}
