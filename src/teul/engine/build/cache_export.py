"""Exporting a build cache: to a registry, to a folder, or into the image itself.

`mode=min` exports the layers of the image, `mode=max` those of every step; both name every step's key, since a key
that is known leads on to what stands above it. Layers of base images are not exported: whoever imports has them.
What this build only imported is handed on from where it came.
"""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from teul.build import ops
from teul.build.cache_config import CONFIG_TYPE, INLINE_FIELD, MOUNT_TYPE, CacheConfig, Record
from teul.build.copy_step import tree_key
from teul.build.runs import cache_mount_folder
from teul.engine.images.compressing import compressed, find_own
from teul.errors import Cancelled, InvalidReference, TeulError, text
from teul.events import Step, Warn
from teul.oci.descriptor import Descriptor
from teul.oci.digest import Digest
from teul.oci.image import Index, Manifest, canonical_json
from teul.oci.reference import Reference
from teul.solver.graph import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from teul.build.execute import BuildWorker
    from teul.engine import Engine
    from teul.engine.build.attributes import CacheTarget
    from teul.engine.build.cache import BuildCache
    from teul.events import Sink
    from teul.registry import RegistryClient
    from teul.solver.graph import Vertex
    from teul.solver.solve import Solution

UPLOADS = 4
CHUNK_BYTES = 1 << 20
LEFT_S = 3600
OWNED = "io.teul.build.cache"
"""The annotation of an index of which all is ours, so that what it does not name may be removed."""


@dataclass(slots=True)
class Known:
    """What a finished build knows: its records, the stack of each layer, and what belongs to the image."""

    records: tuple[Record, ...] = ()
    stacks: dict[Digest, tuple[Digest, ...]] = field(default_factory=dict)
    in_image: frozenset[Digest] = frozenset()
    in_bases: frozenset[Digest] = frozenset()
    mounts: tuple[str, ...] = ()


def gather(target: Vertex, solution: Solution, worker: BuildWorker, cache: BuildCache, *, with_times: bool) -> Known:
    """All that is worth exporting of a solution. *with_times*: when each step ran is kept too."""
    made = Known()
    records: dict[str, Record] = {}
    bases: set[Digest] = set()
    mounts: list[str] = []
    for vertex in walk([target]):
        outcome = solution.outcomes.get(vertex)
        if isinstance(vertex.op, ops.Base):
            bases.update(Digest(item) for item in vertex.op.diff_ids)
            continue
        if isinstance(vertex.op, ops.Run):
            mounts += [
                os.path.basename(cache_mount_folder(worker.settings, mount))
                for mount in vertex.op.mounts
                if mount.type == "cache"
            ]
        if outcome is None or vertex not in solution.keys:
            continue
        record = Record.of(solution.keys[vertex], _timed(outcome.result.to_json(), with_times))
        records[record.key] = record
        for number, diff_id in enumerate(record.stack or ()):
            made.stacks.setdefault(diff_id, (record.stack or ())[: number + 1])
        if isinstance(vertex.op, ops.Copy) and not vertex.op.context:
            source = solution.outcomes.get(vertex.inputs[1]) if len(vertex.inputs) > 1 else None
            key = tree_key(vertex.op, source.result) if source is not None else ""
            seen = cache.find(key) if key else None
            if seen is not None:
                records[key] = Record.of(key, seen)
    made.records = tuple(sorted(records.values(), key=lambda record: record.key))
    made.in_image = frozenset(Digest(item) for item in solution.result(target).data["diff_ids"])
    made.in_bases = frozenset(bases)
    made.mounts = tuple(dict.fromkeys(mounts))
    return made


def _timed(result: dict[str, object], with_times: bool) -> dict[str, object]:
    data = result["data"]
    assert isinstance(data, dict)
    if not with_times:
        data.pop("created", None)
    return result


def with_inline_cache(config: bytes, known: Known) -> bytes:
    """An image's config with the keys of the steps that gave its layers."""
    value = json.loads(config)
    value[INLINE_FIELD] = CacheConfig(known.records).to_json(with_blobs=False)
    return canonical_json(value)


def export(
    engine: Engine,
    target: CacheTarget,
    known: Known,
    cache: BuildCache,
    client: Callable[[], RegistryClient],
    events: Sink,
) -> None:
    """Write the cache where *target* says.

    Raises:
        TeulError, OSError: the registry or the folder; nothing names what was half written.
    """
    step, name = f"export-{target.place}", text("exporting cache to {place}", place=target.place)
    events(Step(step, name, "started"))
    try:
        destination: _Registry | _Folder
        if target.kind == "registry":
            destination = _Registry(engine, client(), target)
        else:
            destination = _Folder(engine, target)
        _Export(engine, target, known, cache, destination, events).run()
    except BaseException as error:
        state = "cancelled" if isinstance(error, Cancelled | KeyboardInterrupt) else "failed"
        events(Step(step, name, state, error=str(error)))
        raise
    events(Step(step, name, "done"))


class _Registry:
    def __init__(self, engine: Engine, client: RegistryClient, target: CacheTarget) -> None:
        self._engine = engine
        self._client = client
        self._reference = Reference.parse(target.place)
        if self._reference.digest:
            raise InvalidReference(target.place, text("a name for an image has a tag and no digest"))

    def has(self, blob: Descriptor) -> bool:
        return self._client.has_blob(self._reference, blob.digest)

    def put(self, blob: Descriptor) -> None:
        def chunks() -> Iterator[bytes]:
            with self._engine.store.open(blob.digest) as reader:
                while piece := reader.read(CHUNK_BYTES):
                    yield piece

        self._client.upload_blob(self._reference, blob, chunks)

    def put_bytes(self, blob: Descriptor, data: bytes) -> None:
        if not self.has(blob):
            self._client.upload_blob(self._reference, blob, lambda: iter((data,)))

    def finish(self, manifest: bytes) -> None:
        from teul.host.fs import crash_point

        crash_point("cache-sent")
        self._client.put_manifest(self._reference, manifest)

    def abort(self) -> None:
        """End all transfers, from another thread; the build ends with them."""
        self._client.transport.abort()


class _Folder:
    """An OCI layout. Blobs first, the index last and at once; then, where all in it is ours, what it no longer names."""

    def __init__(self, engine: Engine, target: CacheTarget) -> None:
        self._engine = engine
        self._tag = target.tag
        self._folder = os.path.abspath(target.place)
        self._blobs = f"{self._folder}/blobs/sha256"
        os.makedirs(self._blobs, exist_ok=True)

    def has(self, blob: Descriptor) -> bool:
        try:
            return os.stat(f"{self._blobs}/{blob.digest.hex}").st_size == blob.size_bytes
        except FileNotFoundError:
            return False

    def put(self, blob: Descriptor) -> None:
        from teul.host.fs import remove_file

        temporary = f"{self._blobs}/.{os.urandom(8).hex()}"
        try:
            with self._engine.store.open(blob.digest) as reader, open(temporary, "xb") as file:
                while piece := reader.read(CHUNK_BYTES):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, f"{self._blobs}/{blob.digest.hex}")
        finally:
            remove_file(temporary)

    def abort(self) -> None:
        """Nothing here waits for anybody."""

    def put_bytes(self, blob: Descriptor, data: bytes) -> None:
        from teul.host.fs import write_atomic

        write_atomic(f"{self._blobs}/{blob.digest.hex}", data, 0o644)

    def finish(self, manifest: bytes) -> None:
        from teul.host.fs import write_atomic
        from teul.images.archive import OCI_LAYOUT, REF_NAME

        parsed = Manifest.parse(manifest)
        made = Descriptor(parsed.media_type, Digest.of(manifest), len(manifest), annotations={REF_NAME: self._tag})
        self.put_bytes(made, manifest)
        before = self._index()
        others = tuple(item for item in before.manifests if item.annotations.get(REF_NAME, "latest") != self._tag)
        is_ours = not before.manifests or OWNED in before.annotations
        index = Index(
            manifests=(*others, made), annotations={**before.annotations, **({OWNED: "1"} if is_ours else {})}
        )
        write_atomic(f"{self._folder}/oci-layout", OCI_LAYOUT, 0o644)
        write_atomic(f"{self._folder}/index.json", index.to_bytes(), 0o644)
        if is_ours:
            self._sweep(index)

    def _index(self) -> Index:
        try:
            with open(f"{self._folder}/index.json", "rb") as file:
                return Index.parse(file.read())
        except (FileNotFoundError, TeulError):
            return Index(manifests=())

    def _sweep(self, index: Index) -> None:
        from teul.host.fs import remove_file

        named = {descriptor.digest.hex for descriptor in index.manifests}
        for descriptor in index.manifests:
            try:
                with open(f"{self._blobs}/{descriptor.digest.hex}", "rb") as file:
                    manifest = Manifest.parse(file.read())
            except (OSError, TeulError):
                return  # something in it is not as it was written; nothing is taken away then
            named |= {manifest.config.digest.hex, *(layer.digest.hex for layer in manifest.layers)}
        for name in os.listdir(self._blobs):
            path = f"{self._blobs}/{name}"
            is_left = len(name) != 64 and time.time() - os.lstat(path).st_mtime > LEFT_S  # by one that was killed
            if is_left or (len(name) == 64 and name not in named):
                remove_file(path)


class _Export:
    def __init__(
        self,
        engine: Engine,
        target: CacheTarget,
        known: Known,
        cache: BuildCache,
        destination: _Registry | _Folder,
        events: Sink,
    ) -> None:
        self._engine = engine
        self._target = target
        self._known = known
        self._imported = cache.imported
        self._destination = destination
        self._events = events
        self._made: set[Digest] = set()
        self._stop = threading.Event()

    def run(self) -> None:
        known = self._known
        wanted = [
            diff_id
            for diff_id in known.stacks
            if diff_id not in known.in_bases and (self._target.mode == "max" or diff_id in known.in_image)
        ]
        own = {diff_id: find_own(self._engine.db, diff_id, self._target.codec) for diff_id in wanted}
        try:
            with ThreadPoolExecutor(UPLOADS, thread_name_prefix="teul-export") as pool:
                try:
                    found = list(pool.map(lambda diff_id: self._layer(diff_id, own[diff_id]), wanted))
                except (KeyboardInterrupt, Cancelled):
                    self._stop.set()
                    self._destination.abort()
                    raise
            layers = {diff_id: blob for diff_id, blob in zip(wanted, found, strict=True) if blob is not None}
            mounts = self._mounts() if self._target.with_mounts else {}
            config = CacheConfig(known.records, layers, mounts).to_bytes()
            described = Descriptor(CONFIG_TYPE, Digest.of(config), len(config))
            self._destination.put_bytes(described, config)
            blobs = {blob.digest: blob for blob in (*layers.values(), *mounts.values())}
            self._destination.finish(Manifest(config=described, layers=tuple(blobs.values())).to_bytes())
        finally:
            for digest in self._made:
                self._engine.store.remove(digest)

    def _layer(self, diff_id: Digest, own: Descriptor | None) -> Descriptor | None:
        """Bring a layer there; None when neither this machine nor a cache has it any more."""
        snapshots = self._engine.snapshots
        stack = self._known.stacks[diff_id]
        if not snapshots.has(stack):
            return self._hand_on(self._imported.layers.get(diff_id) if self._imported else None)
        if own is not None and self._destination.has(own):
            return own
        blob = own
        if blob is None or not self._engine.store.has(blob.digest):
            name = snapshots.resolve(stack)[-1]
            blob = compressed(self._engine, name, self._target.codec, should_stop=self._stop.is_set)
            self._made.add(blob.digest)
        if not self._destination.has(blob):
            self._destination.put(blob)
        return blob

    def _hand_on(self, imported: Sequence[object] | None) -> Descriptor | None:
        if imported is None:
            return None
        blob, source = imported
        assert isinstance(blob, Descriptor)
        try:
            if not self._destination.has(blob):
                if not self._engine.store.has(blob.digest):
                    self._made.add(blob.digest)
                    source.fetch(blob)  # type: ignore[attr-defined]
                self._destination.put(blob)
        except (TeulError, OSError) as error:
            if isinstance(error, Cancelled):
                raise
            self._events(Warn("", "cache-export", text("not handed on: {problem}", problem=error)))
            return None
        return Descriptor(blob.media_type, blob.digest, blob.size_bytes)

    def _mounts(self) -> dict[str, Descriptor]:
        made: dict[str, Descriptor] = {}
        for name in self._known.mounts:
            blob = self._pack_mount(f"{self._engine.settings.root}/cache/{name}/0")
            if blob is None and self._imported is not None:
                blob = self._hand_on(self._imported.mounts.get(name))
            if blob is not None:
                made[name] = blob
        return made

    def _pack_mount(self, folder: str) -> Descriptor | None:
        """One cache mount as a tar; None when there is none, or somebody writes to it just now."""
        from teul.host.fs import FolderLock
        from teul.layers import pack
        from teul.layers.codec import compress

        if not os.path.isdir(folder):
            return None
        codec = self._target.codec
        try:
            lock = FolderLock.take(f"{folder}.lock", shared=True, wait=False, make=True)
            if lock is None:
                raise OSError(16, "in use", folder)
            with lock, self._engine.store.ingest() as writer:
                with compress(codec, writer.write) as compressor:
                    pack(folder, compressor.write)
                info = writer.commit()
        except (OSError, TeulError) as error:
            if getattr(error, "errno", 0) in (28, 122):
                raise
            problem = error.message if isinstance(error, TeulError) else error.strerror
            self._events(
                Warn(
                    "",
                    "cache-mount",
                    text("cache mount `{path}` is not exported: {problem}", path=folder, problem=problem),
                )
            )
            return None
        self._made.add(info.digest)
        blob = Descriptor(MOUNT_TYPE + (codec or "none"), info.digest, info.size_bytes)
        if not self._destination.has(blob):
            self._destination.put(blob)
        return blob
