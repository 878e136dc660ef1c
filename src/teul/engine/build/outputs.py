"""What becomes of what was built: pushed, written as files, a tar, an OCI layout or a Docker archive."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from teul.engine.images.compressing import compressed, find_own
from teul.errors import AlreadyExists, Cancelled, InvalidInput, text
from teul.events import Step
from teul.images.archive import CHUNK_BYTES, OCI_LAYOUT, ArchiveWriter, Entry, docker_manifest, index_of, plain_manifest
from teul.oci.descriptor import OCI_CONFIG, OCI_INDEX, Descriptor
from teul.oci.digest import Digest
from teul.oci.image import Manifest
from teul.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from teul.build.execute import BuildWorker
    from teul.engine import Engine
    from teul.engine.build.attestations import Attestations
    from teul.engine.build.attributes import Output
    from teul.events import Sink
    from teul.registry import RegistryClient
    from teul.solver.graph import Result

    Write = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Built:
    """One finished image, whether this machine keeps it or not."""

    config: bytes
    diff_ids: tuple[Digest, ...]
    tree: Result
    names: tuple[Reference, ...] = ()
    attestations: Attestations | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> Digest:
        return Digest.of(self.config)

    @property
    def config_descriptor(self) -> Descriptor:
        return Descriptor(OCI_CONFIG, self.id, len(self.config))


class Outputs:
    """Writes one build's outputs.

    Args:
        write: takes the bytes of an output whose destination is stdout.
    """

    def __init__(
        self,
        engine: Engine,
        worker: BuildWorker,
        client: Callable[[], RegistryClient],
        write: Write | None,
        events: Sink,
    ) -> None:
        self._engine = engine
        self._worker = worker
        self._client = client
        self._stdout = write
        self._events = events

    def write(self, output: Output, built: Built) -> Descriptor | None:
        """Write one output; what a registry or a layout knows the image by, where there is such a thing."""
        if output.kind == "cacheonly":
            return None
        where = ", ".join(str(name.familiar) for name in built.names) if output.is_pushed else output.dest
        step, name = f"output-{output.kind}-{where}", text("exporting to {kind} {place}", kind=output.kind, place=where)
        self._events(Step(step, name, "started"))
        try:
            made = self._write(output, built)
        except BaseException as error:
            state = "cancelled" if isinstance(error, Cancelled | KeyboardInterrupt) else "failed"
            self._events(Step(step, name, state, error=str(error)))
            raise
        self._events(Step(step, name, "done"))
        return made

    def _write(self, output: Output, built: Built) -> Descriptor | None:
        if output.kind in ("image", "registry"):
            return self._push(output, built) if output.is_pushed else None
        if output.kind == "local":
            self._in_view(built, partial(_copy_tree, folder=os.path.abspath(output.dest)))
            return None
        if output.kind == "tar":
            with self._destination(output) as write:
                self._in_view(built, partial(_write_tar, write=write))
            return None
        if output.kind == "docker":
            with self._destination(output) as write:
                return self._docker_archive(built, write)
        if output.is_tar:
            with self._destination(output) as write:
                archive = ArchiveWriter(write)
                made = self._layout(output, built, archive.put, archive.stream_blob)
                archive.finish()
                return made
        folder = _Folder(output.dest)
        return self._layout(output, built, folder.put, folder.stream_blob)

    # Files

    def _in_view(self, built: Built, work: Callable[[str, Callable[[], bool]], object]) -> None:
        """*work* on the merged tree, in a thread: mounts are made in a namespace of its own. It is given the tree, and
        what to ask whether to stop.
        """
        stop = threading.Event()

        def job() -> None:
            with self._worker.viewed(built.tree) as root:
                work(root, stop.is_set)

        with ThreadPoolExecutor(1, thread_name_prefix="teul-output") as pool:
            done = pool.submit(job)
            try:
                done.result()
            except BaseException:
                stop.set()
                raise

    @contextmanager
    def _destination(self, output: Output) -> Iterator[Write]:
        """Where bytes go: stdout, or a file that is there when it is whole."""
        if output.dest == "-":
            if self._stdout is None:
                raise InvalidInput(
                    text("dest file is required for {kind} exporter. refusing to write to console", kind=output.kind)
                )
            yield self._stdout
            return
        path = os.path.abspath(output.dest)
        if os.path.isdir(path):
            raise InvalidInput(text("destination `{path}` is a folder, expected a file", path=output.dest))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:  # a pipe, /dev/null, /dev/stdout
                yield file.write
            return
        with _nameless(path) as write:
            yield write

    # Archives

    def _layers(self, built: Built) -> list[str]:
        for diff_id in built.diff_ids:
            self._worker.hold("layer", diff_id)
        return list(self._engine.snapshots.resolve(built.diff_ids))

    def _docker_archive(self, built: Built, write: Write) -> Descriptor:
        snapshots = self._engine.snapshots
        layers = [(name, snapshots.layer(name)) for name in self._layers(built)]
        sizes = [(info.diff_id, info.tar_size_bytes) for _, info in layers]
        entry = Entry(plain_manifest(built.config, sizes), built.config, built.names)
        archive = ArchiveWriter(write)
        archive.put_blob(entry.config)
        for name, info in layers:
            archive.stream_blob(info.diff_id, info.tar_size_bytes, partial(snapshots.tar, name))
        archive.put_blob(entry.manifest)
        archive.put("index.json", index_of([entry]))
        archive.put("manifest.json", docker_manifest([entry]))
        archive.put("oci-layout", OCI_LAYOUT)
        archive.finish()
        return entry.descriptor

    def _layout(
        self,
        output: Output,
        built: Built,
        put: Callable[[str, bytes], object],
        stream_blob: Callable[[Digest, int, Callable[[Write], object]], object],
    ) -> Descriptor:
        from teul.engine.build.attestations import attach
        from teul.oci.image import Index

        codec = output.codec or "gzip"
        layers = []
        store = self._engine.store
        for name in self._layers(built):
            known = find_own(self._engine.db, self._engine.snapshots.layer(name).diff_id, codec)
            was_here = known is not None and store.has(known.digest)
            blob = known if known is not None and was_here else compressed(self._engine, name, codec)
            try:
                stream_blob(blob.digest, blob.size_bytes, partial(self._send, blob))
            finally:
                if not was_here:
                    store.remove(blob.digest)
            layers.append(blob)
        manifest = Manifest(
            config=built.config_descriptor, layers=tuple(layers), annotations=built.annotations
        ).to_bytes()
        documents = [built.config, manifest]
        top = Descriptor(Manifest.parse(manifest).media_type, Digest.of(manifest), len(manifest))
        if built.attestations is not None:
            attached = attach(built.attestations, top)
            documents += [*attached.blobs, attached.manifest, attached.index]
            top = Descriptor(OCI_INDEX, Digest.of(attached.index), len(attached.index))
        for data in documents:
            put(f"blobs/sha256/{Digest.of(data).hex}", data)
        named = _named(top, built.names)
        put("oci-layout", OCI_LAYOUT)
        put("index.json", Index(manifests=named).to_bytes())
        return top

    def _send(self, blob: Descriptor, write: Write) -> None:
        with self._engine.store.open(blob.digest) as reader:
            while piece := reader.read(CHUNK_BYTES):
                write(piece)

    # Registries

    def _push(self, output: Output, built: Built) -> Descriptor:
        from teul.engine.build.attestations import attach
        from teul.engine.images import push

        if not built.names:
            raise InvalidInput(text("tag is needed when pushing to registry"), hint=text("teul build -t NAME --push"))
        made: Descriptor | None = None
        for name in built.names:
            # Attestations are in an index, which alone gets the tag: whoever pulls meanwhile gets this image or the last.
            digest = push(
                self._engine,
                str(name),
                compression=output.codec,
                annotations=built.annotations,
                is_tagged=built.attestations is None,
                events=self._events,
            )
            image = self._engine.images.get(str(name))
            data = self._engine.store.read(image.manifest if image.manifest else digest)
            if Digest.of(data) != digest:
                data = self._client().manifest(Reference(name.domain, name.path, "", digest)).data
            made = Descriptor(Manifest.parse(data).media_type, digest, len(data))
            if built.attestations is None:
                continue
            client = self._client()
            attached = attach(built.attestations, made)
            for blob in attached.blobs:
                described = Descriptor("application/octet-stream", Digest.of(blob), len(blob))
                if not client.has_blob(name, described.digest):
                    client.upload_blob(name, described, partial(_once, blob))
            client.put_manifest(Reference(name.domain, name.path, "", Digest.of(attached.manifest)), attached.manifest)
            client.put_manifest(name, attached.index, OCI_INDEX)
            made = Descriptor(OCI_INDEX, Digest.of(attached.index), len(attached.index))
        assert made is not None
        return made


class _Folder:
    """An OCI layout in a folder: a new one, an empty one, or a layout, which gets one image more. Its index comes last."""

    def __init__(self, folder: str) -> None:
        from teul.host.fs import remove_file

        self._folder = os.path.abspath(folder)
        self._blobs = f"{self._folder}/blobs/sha256"
        if os.path.lexists(folder) and (
            not os.path.isdir(folder) or not {*os.listdir(folder)} <= {"blobs", "oci-layout", "index.json"}
        ):
            raise AlreadyExists(text("`{path}` exists and is neither an empty folder nor an OCI layout", path=folder))
        os.makedirs(self._blobs, exist_ok=True)
        for name in os.listdir(self._blobs):
            if name.endswith(".tmp"):  # of one that was killed
                remove_file(f"{self._blobs}/{name}")

    def put(self, name: str, data: bytes) -> None:
        from teul.host.fs import crash_point, write_atomic

        if name == "index.json":
            crash_point("output-written")
            data = self._with_old(data)
        write_atomic(f"{self._folder}/{name}", data, 0o644)

    def stream_blob(self, digest: Digest, size_bytes: int, stream: Callable[[Write], object]) -> None:
        path = f"{self._blobs}/{digest.hex}"
        with open(f"{path}.tmp", "wb") as file:
            stream(file.write)
        os.replace(f"{path}.tmp", path)

    def _with_old(self, data: bytes) -> bytes:
        """The index with what was there before under other names, as BuildKit keeps it."""
        from teul.images.archive import CONTAINERD_NAME
        from teul.oci.image import Index

        try:
            with open(f"{self._folder}/index.json", "rb") as file:
                before = Index.parse(file.read()).manifests
        except FileNotFoundError:
            return data
        added = Index.parse(data).manifests
        names = {item.annotations.get(CONTAINERD_NAME) for item in added}
        digests = {item.digest for item in added}
        kept = [
            item
            for item in before
            if item.digest not in digests and (item.annotations.get(CONTAINERD_NAME) or "") not in names
        ]
        return Index(manifests=(*kept, *added)).to_bytes()


@contextmanager
def _nameless(path: str) -> Iterator[Write]:
    """A file that gets its name when it is whole; nothing is left of it before, not even after a kill, where the
    filesystem can do that.
    """
    from teul.host.fs import crash_point, remove_file

    temporary = f"{path}.{os.urandom(4).hex()}.tmp"
    try:
        try:
            descriptor = os.open(os.path.dirname(path), os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666)
            is_linked = False
        except OSError:
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
            is_linked = True
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
            file.flush()
            crash_point("output-written")
            if not is_linked:
                # The folder given makes it linkat(2), which alone follows the link there.
                os.link(f"/proc/self/fd/{descriptor}", temporary, src_dir_fd=descriptor, follow_symlinks=True)
        os.replace(temporary, path)
    finally:
        remove_file(temporary)


def _named(top: Descriptor, names: Sequence[Reference]) -> tuple[Descriptor, ...]:
    from teul.images.archive import CONTAINERD_NAME, REF_NAME

    return tuple(
        Descriptor(
            top.media_type,
            top.digest,
            top.size_bytes,
            annotations={CONTAINERD_NAME: str(name), REF_NAME: name.tag},
        )
        for name in names
    ) or (top,)


def _once(data: bytes) -> Iterator[bytes]:
    return iter((data,))


def _copy_tree(root: str, should_stop: Callable[[], bool], folder: str) -> None:
    """All files of the tree, as the caller's own, into *folder*; no link that lies there leads out of it."""
    from teul.build.copying import Copier
    from teul.build.tree import Tree

    os.makedirs(folder, exist_ok=True)
    owner = (os.geteuid(), os.getegid())
    Copier(folder, owner=owner, should_stop=should_stop).place(Tree(root), "", "", "/")


def _write_tar(root: str, should_stop: Callable[[], bool], write: Write) -> None:
    from teul.layers import pack

    pack(root, write, should_stop=should_stop)
