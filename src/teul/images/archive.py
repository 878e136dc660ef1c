"""Archives: what `docker save` writes and `docker load` reads, and OCI layouts. Must not unpack layers.

Since Docker 25 a saved archive is an OCI layout with a `manifest.json` beside its `index.json`, so one file serves both
worlds. Reading accepts those, the older form (`<id>/layer.tar`, `<hash>.json`), and plain OCI layouts, as a tar stream
or as a folder; nothing of an archive ever becomes a path on this machine: blobs go into the content store by digest.

Spec: image-spec v1.1 image-layout.md; moby's image/spec ("Combined Image JSON + Filesystem Changeset Format").
"""

from __future__ import annotations

import json
import os
import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Protocol

from teul.errors import BlobNotFound, Corrupt, InvalidDocument, MalformedArchive, text
from teul.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, OCI_LAYER, Descriptor
from teul.oci.digest import Digest
from teul.oci.image import DOCUMENT_LIMIT_BYTES, Index, Manifest, canonical_json
from teul.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.content.protocol import Store

OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
CHUNK_BYTES = 1 << 20
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """One image to write: its manifest's bytes, and the names it goes by."""

    manifest: bytes
    config: bytes
    names: tuple[Reference, ...] = ()

    @property
    def descriptor(self) -> Descriptor:
        parsed = Manifest.parse(self.manifest)
        return Descriptor(parsed.media_type, Digest.of(self.manifest), len(self.manifest))


def index_of(entries: Iterable[Entry]) -> bytes:
    """The `index.json` of a layout: one descriptor for each name (one without a name for an image that has none)."""
    made: list[Descriptor] = []
    for entry in entries:
        plain = entry.descriptor
        made += [
            Descriptor(
                plain.media_type,
                plain.digest,
                plain.size_bytes,
                annotations={CONTAINERD_NAME: str(name), REF_NAME: name.tag},
            )
            for name in entry.names
        ] or [plain]
    return Index(manifests=tuple(made)).to_bytes()


def docker_manifest(entries: Iterable[Entry]) -> bytes:
    """The `manifest.json` of a saved archive."""
    made = []
    for entry in entries:
        manifest = Manifest.parse(entry.manifest)
        sources = {
            layer.digest: {"mediaType": layer.media_type, "size": layer.size_bytes, "digest": layer.digest}
            for layer in manifest.layers
        }
        made.append(
            {
                "Config": _blob_path(manifest.config.digest),
                "RepoTags": [name.familiar for name in entry.names] or None,
                "Layers": [_blob_path(layer.digest) for layer in manifest.layers],
                "LayerSources": sources,
            }
        )
    return canonical_json(made)


class ArchiveWriter:
    """A tar stream of members in the order they are put; everything in it is the same each time."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._seen: set[str] = set()
        for folder in ("blobs/", "blobs/sha256/"):
            self._header(folder, 0, tarfile.DIRTYPE, 0o755)

    def put(self, name: str, data: bytes) -> None:
        """A small member."""
        if self._begin(name, len(data)):
            self._write(data)
            self._end(len(data))

    def put_blob(self, data: bytes) -> Digest:
        """A small blob, named by its digest."""
        digest = Digest.of(data)
        self.put(_blob_path(digest), data)
        return digest

    def stream_blob(
        self, digest: Digest, size_bytes: int, stream: Callable[[Callable[[bytes], object]], object]
    ) -> None:
        """A large blob; *stream* is given a `write` and calls it with all the bytes, *size_bytes* of them.

        Raises:
            Corrupt: it wrote more or fewer.
        """
        if not self._begin(_blob_path(digest), size_bytes):
            return
        written = 0

        def write(piece: bytes) -> None:
            nonlocal written
            written += len(piece)
            self._write(piece)

        stream(write)
        if written != size_bytes:
            raise Corrupt(
                text(
                    "blob `{digest}`: expected {expected} bytes, got {actual}",
                    digest=digest,
                    expected=size_bytes,
                    actual=written,
                )
            )
        self._end(size_bytes)

    def finish(self) -> None:
        self._write(bytes(2 * _BLOCK))

    def _begin(self, name: str, size_bytes: int) -> bool:
        if name in self._seen:
            return False
        self._seen.add(name)
        self._header(name, size_bytes, tarfile.REGTYPE, 0o644)
        return True

    def _header(self, name: str, size_bytes: int, kind: bytes, mode: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.type, member.mode = size_bytes, kind, mode
        self._write(member.tobuf(tarfile.GNU_FORMAT if size_bytes >= 8 << 30 else tarfile.USTAR_FORMAT))

    def _end(self, size_bytes: int) -> None:
        if size_bytes % _BLOCK:
            self._write(bytes(_BLOCK - size_bytes % _BLOCK))


def plain_manifest(config: bytes, layers: Iterable[tuple[Digest, int]]) -> bytes:
    """A manifest with uncompressed layers: (diff id, size of the tar in bytes), bottom first."""
    from teul.oci.descriptor import OCI_CONFIG

    return Manifest(
        config=Descriptor(OCI_CONFIG, Digest.of(config), len(config)),
        layers=tuple(Descriptor(OCI_LAYER, diff_id, size_bytes) for diff_id, size_bytes in layers),
    ).to_bytes()


@dataclass(frozen=True, slots=True)
class Loaded:
    """One image of an archive. Its layers' blobs, bottom first, are in the content store under *layers*."""

    config: bytes
    layers: tuple[Digest, ...]
    names: tuple[Reference, ...] = ()
    manifest: bytes | None = None
    media_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Archive:
    """What was read: images, and the blobs that came into the content store with them (and were not there before)."""

    images: tuple[Loaded, ...]
    blobs: frozenset[Digest]


@dataclass(slots=True)
class _Content:
    """What an archive's members are: path → digest of the blob, or small documents kept in memory."""

    fresh: set[Digest] = field(default_factory=set)
    blobs: dict[str, Digest] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def digest(self, path: str) -> Digest:
        for _ in range(8):
            path = posixpath.normpath(path)
            if path in self.blobs:
                return self.blobs[path]
            if path not in self.links:
                break
            path = self.links[path]
        raise MalformedArchive(text("`{path}` is missing", path=path[:200]))


class _Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def read_stream(stream: IO[bytes], store: Store, *, on_bytes: Callable[[int], object] | None = None) -> Archive:
    """Read an archive (perhaps compressed) into *store* and say which images are in it.

    The caller holds a lease and removes the layers' blobs when they are unpacked.

    Raises:
        MalformedArchive: not an archive of images, or damaged.
        DigestMismatch: a blob is not what its name says.
    """
    content = _Content()
    read = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|*", bufsize=CHUNK_BYTES) as archive:
            for member in archive:
                path = posixpath.normpath(member.name)
                if member.issym() or member.islnk():
                    target = member.linkname
                    content.links[path] = posixpath.join(posixpath.dirname(path), target) if member.issym() else target
                elif member.isfile():
                    file = archive.extractfile(member)
                    assert file is not None
                    _take(content, path, member.size, file, store)
                    read += member.size
                    if on_bytes:
                        on_bytes(read)
    except (tarfile.TarError, EOFError) as error:
        raise MalformedArchive(text("not a tar archive, or damaged: {problem}", problem=error)) from error
    return _images(content, store)


def read_folder(folder: str, store: Store) -> Archive:
    """As `read_stream`, for an OCI layout in a folder."""
    content = _Content()
    for name in ("oci-layout", "index.json", "manifest.json"):
        try:
            with open(f"{folder}/{name}", "rb") as file:
                content.documents[name] = file.read(DOCUMENT_LIMIT_BYTES + 1)
        except FileNotFoundError:
            continue
    blobs = f"{folder}/blobs/sha256"
    for name in sorted(os.listdir(blobs)) if os.path.isdir(blobs) else ():
        with open(f"{blobs}/{name}", "rb") as file:
            _take(content, f"blobs/sha256/{name}", os.fstat(file.fileno()).st_size, file, store)
    return _images(content, store)


def _take(content: _Content, path: str, size_bytes: int, file: _Stream, store: Store) -> None:
    if path in ("manifest.json", "index.json", "oci-layout", "repositories"):
        content.documents[path] = file.read(DOCUMENT_LIMIT_BYTES + 1)
        return
    expected = None
    if path.startswith("blobs/sha256/"):
        expected = Digest.from_hex(path.removeprefix("blobs/sha256/"))
    was_here = expected is not None and store.has(expected)
    with store.ingest(expected=expected, size_bytes=size_bytes) as writer:
        while piece := file.read(CHUNK_BYTES):
            writer.write(piece)
        digest = content.blobs[path] = writer.commit().digest
        if not was_here:
            content.fresh.add(digest)


def _images(content: _Content, store: Store) -> Archive:
    for name, read in (("manifest.json", _docker_images), ("index.json", _oci_images)):
        if name in content.documents:
            return Archive(tuple(read(content, store)), frozenset(content.fresh))
    raise MalformedArchive(text("expected `manifest.json` or `index.json`"))


def _docker_images(content: _Content, store: Store) -> Iterator[Loaded]:
    try:
        entries = json.loads(content.documents["manifest.json"])
        described = [
            (
                str(entry["Config"]),
                [str(name) for name in entry.get("RepoTags") or ()],
                [str(p) for p in entry["Layers"]],
            )
            for entry in entries
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedArchive(text("`{path}`: {problem}", path="manifest.json", problem=error)) from error
    for config, names, layers in described:
        yield Loaded(
            _read(store, content.digest(config)),
            tuple(content.digest(path) for path in layers),
            tuple(Reference.parse(name) for name in names),
        )


def _oci_images(content: _Content, store: Store) -> Iterator[Loaded]:
    found: dict[Digest, list[Reference]] = {}
    for descriptor in Index.parse(content.documents["index.json"]).manifests:
        for digest in _manifests(descriptor, store):
            named = found.setdefault(digest, [])
            named += [name for name in _names(descriptor.annotations) if name not in named]
    for digest, names in found.items():
        data = _read(store, digest)
        manifest = Manifest.parse(data)
        yield Loaded(
            _read(store, manifest.config.digest),
            tuple(layer.digest for layer in manifest.layers),
            tuple(names),
            data,
            tuple(layer.media_type for layer in manifest.layers),
        )


def _manifests(descriptor: Descriptor, store: Store, depth: int = 0) -> Iterator[Digest]:
    if descriptor.media_type in MANIFEST_TYPES:
        yield descriptor.digest
    elif descriptor.media_type in INDEX_TYPES and depth < 4:
        for inner in Index.parse(_read(store, descriptor.digest)).manifests:
            # A layout may leave out the platforms that nobody copied.
            if store.has(inner.digest) and not (inner.platform and inner.platform.os == "unknown"):
                yield from _manifests(inner, store, depth + 1)


def _names(annotations: Mapping[str, str]) -> list[Reference]:
    name = annotations.get(CONTAINERD_NAME) or annotations.get(REF_NAME, "")
    # A bare tag (`latest`) says nothing about the repository; skopeo and others write the whole name there.
    if not name or ("/" not in name and ":" not in name):
        return []
    return [Reference.parse(name)]


def _read(store: Store, digest: Digest) -> bytes:
    try:
        info = store.info(digest)
    except BlobNotFound as error:
        raise MalformedArchive(text("blob `{digest}` is missing", digest=digest)) from error
    if info.size_bytes > DOCUMENT_LIMIT_BYTES:
        raise InvalidDocument(
            "archive",
            text("expected at most {limit} bytes, got {size}", limit=DOCUMENT_LIMIT_BYTES, size=info.size_bytes),
        )
    return store.read(digest)


def _blob_path(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"


__all__ = [
    "CHUNK_BYTES",
    "OCI_LAYOUT",
    "Archive",
    "ArchiveWriter",
    "Entry",
    "Loaded",
    "docker_manifest",
    "index_of",
    "plain_manifest",
    "read_folder",
    "read_stream",
]
