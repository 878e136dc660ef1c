"""The served image: the image that the model was trained in, and on top of it the model server and the model.

Two layers, both pure functions of the bytes in them: `/opt/teul/server` (the same for every model of one version of
teul, so it is stored and sent once) and, last, `/opt/teul/model` with `/opt/teul/code`. All layers below are those of the
training image: nothing is resolved or installed at deploy. The same model bytes on the same image give the same digest.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from teul.ml import trees
from teul.ml.trees import Entry, Tree
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, Healthcheck, History, ImageConfig
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.images import Image
    from teul.snapshots import Snapshotter

EPOCH_S = 315532800
"""Every time in the layers: 1980-01-01, as in built ones."""
SERVER, MODEL, CODE = "opt/teul/server", "opt/teul/model", "opt/teul/code"
PORT = 8000
MODEL_LABEL, DIGEST_LABEL, TRAINED_LABEL = "io.teul.model", "io.teul.model.digest", "io.teul.trained-in"
_SPOOL_BYTES = 64 << 20


def server_tree() -> tuple[Tree, str]:
    """The files of the model server, and the folder that they lie in."""
    import teul_model

    folder = os.path.dirname(os.path.abspath(teul_model.__file__))
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    files = [
        Entry(
            f"teul_model/{name}", trees.FILE, trees.hash_file(f"{folder}/{name}"), os.path.getsize(f"{folder}/{name}")
        )
        for name in names
    ]
    return Tree((Entry("", trees.FOLDER), Entry("teul_model", trees.FOLDER), *files)), folder


def server_digest() -> str:
    """What stands for the model server in the key of a served image."""
    return server_tree()[0].digest


def make_config(
    base: ImageConfig, *, model: str, path: str, predict: str, model_digest: str, trained_in: str
) -> ImageConfig:
    """The config of the served image, its layers not yet added: how the server is started, and by whom (as before)."""
    given = base.config
    names = ("TEUL_MODEL_NAME", "TEUL_MODEL_PATH", "TEUL_MODEL_CODE", "TEUL_MODEL_PREDICT", "TEUL_PORT")
    values = (model, path, f"/{CODE}", predict, str(PORT))
    kept = tuple(entry for entry in given.env if entry.partition("=")[0] not in names)
    program = f"/{SERVER}/teul_model/__main__.py"
    config = ExecutionConfig(
        user=given.user,
        exposed_ports=tuple(sorted({*given.exposed_ports, f"{PORT}/tcp"})),
        env=(*kept, *(f"{name}={value}" for name, value in zip(names, values, strict=True))),
        entrypoint=("python3", "-I", "-S", "-B", program),
        volumes=given.volumes,
        working_dir=given.working_dir,
        labels={**given.labels, MODEL_LABEL: model, DIGEST_LABEL: model_digest, TRAINED_LABEL: trained_in},
        # The image's own HEALTHCHECK asks about its own program; what runs here is the model server.
        healthcheck=Healthcheck(
            ("CMD", "python3", "-I", "-S", "-B", program, "--check"),
            interval_ns=10_000_000_000,
            timeout_ns=5_000_000_000,
            start_period_ns=60_000_000_000,
            retries=3,
        ),
    )
    return base.with_config(config, History(created=base.created, created_by="teul: serve", empty_layer=True))


class LayerFile:
    """A layer's tar in a temporary file, with its digest; close it when done."""

    def __init__(self) -> None:
        # Under 64 MiB it stays in memory.
        self.file = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size_bytes += len(data)
        return self.file.write(data)

    @property
    def diff_id(self) -> Digest:
        return Digest.from_hex(self._hash.hexdigest())

    def close(self) -> None:
        self.file.close()


def write_layer(parts: Mapping[str, Tree], read: Callable[[str], Iterator[bytes]]) -> LayerFile:
    """The tar of *parts* (folder in the image → tree; a lone file's place is the path itself); all of it root's.

    Spec: image-spec v1.1 layer.md, "Creating"; entries sorted, one time, PAX only where a name needs it.
    """
    made = LayerFile()
    with tarfile.open(fileobj=made, mode="w|", format=tarfile.PAX_FORMAT, bufsize=tarfile.RECORDSIZE) as archive:  # type: ignore[call-overload]
        entries: dict[str, Entry] = {}
        for folder, tree in parts.items():
            above = folder.split("/")
            for depth in range(1, len(above)):
                entries.setdefault("/".join(above[:depth]), Entry("", trees.FOLDER))
            for entry in tree.entries:
                entries[f"{folder}/{entry.path}" if entry.path else folder] = entry
        for path in sorted(entries, key=lambda name: name.split("/")):
            _add(archive, path, entries[path], read)
    return made


def _add(archive: tarfile.TarFile, path: str, entry: Entry, read: Callable[[str], Iterator[bytes]]) -> None:
    info = tarfile.TarInfo(path)
    info.mtime = EPOCH_S
    if entry.kind == trees.FOLDER:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
    elif entry.kind == trees.LINK:
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, entry.content
        archive.addfile(info)
    else:
        info.mode = 0o755 if entry.kind == trees.EXECUTABLE else 0o644
        info.size = entry.size_bytes
        archive.addfile(info, _Stream(read(entry.content)))


class _Stream(io.RawIOBase):
    """Chunks as a readable file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        made = bytearray()
        while size < 0 or len(made) < size:
            if not self._rest:
                self._rest = next(self._chunks, b"")
                if not self._rest:
                    break
            take = len(self._rest) if size < 0 else size - len(made)
            made += self._rest[:take]
            self._rest = self._rest[take:]
        return bytes(made)


def add_layer(snapshots: Snapshotter, config: ImageConfig, layer: LayerFile, created_by: str) -> ImageConfig:
    """Commit *layer* on top of the layers of *config*; one that is there already is not written again."""
    made = config.with_layer(layer.diff_id, History(created=config.created, created_by=created_by))
    if not snapshots.has(made.diff_ids):
        layer.file.seek(0)
        snapshots.unpack(layer.file, layer.diff_id, snapshots.resolve(config.diff_ids))
    return made


def build(
    snapshots: Snapshotter,
    base: Image,
    *,
    model: str,
    predict: str,
    name: str,
    tree: Tree,
    code: Mapping[str, Tree],
    read: Callable[[str], Iterator[bytes]],
) -> ImageConfig:
    """Make both layers on top of *base* and give the config of the served image.

    *tree* is the model's folder, or its one file, which was called *name*; *code* are files and folders by their path in the project;
    *read* streams a content of either by its digest.
    """
    server, folder = server_tree()
    names = {entry.content: f"{folder}/{os.path.basename(entry.path)}" for entry in server.files}

    def read_server(digest: str) -> Iterator[bytes]:
        with open(names[digest], "rb") as file:
            yield file.read()

    model_tree, path = tree, f"/{MODEL}"
    if tree.entries[0].kind != trees.FOLDER:
        # A model that is one file keeps its name, and `load` gets the path of the file.
        model_tree, path = Tree((Entry("", trees.FOLDER), replace(tree.entries[0], path=name))), f"/{MODEL}/{name}"
    identity = digest_of([tree.digest, {path: part.digest for path, part in sorted(code.items())}, predict])
    config = make_config(
        base.config, model=model, path=path, predict=predict, model_digest=identity, trained_in=str(base.id)
    )
    parts = {MODEL: model_tree, CODE: Tree((Entry("", trees.FOLDER),))}
    for place, part in code.items():
        parts[f"{CODE}/{place}"] = part
    layer = write_layer({SERVER: server}, read_server)
    try:
        config = add_layer(snapshots, config, layer, f"teul: model server → /{SERVER}")
    finally:
        layer.close()
    layer = write_layer(parts, read)
    try:
        return add_layer(snapshots, config, layer, f"teul: model `{model}` → /{MODEL}")
    finally:
        layer.close()
