"""Importing a build cache: what other machines know, looked up by key, and fetched only when it is needed.

What is trusted: an exported cache says which layers a step gave, and that cannot be checked without running the step.
Who may write to a cache decides what its readers get, as with Docker. Everything else is checked: blobs by their
digests, layers by their diff ids, names before they become paths; what this machine knows itself is never replaced.

A cache that is gone, damaged or another builder's is a warning. So is a blob of it; the step runs then.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from teul.build.cache_config import CONFIG_TYPE, INLINE_FIELD, LIMIT_BYTES, CacheConfig
from teul.errors import Cancelled, ImageNotFound, InvalidDocument, NotFound, TeulError, text
from teul.events import Advance, Step, Warn
from teul.host.platform import host_platform
from teul.oci.descriptor import DOCKER_CONFIG, INDEX_TYPES, OCI_CONFIG, Descriptor
from teul.oci.digest import Digest
from teul.oci.image import DOCUMENT_LIMIT_BYTES, Index, Manifest, load_document
from teul.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from teul.engine import Engine
    from teul.engine.build.attributes import CacheTarget
    from teul.events import Sink
    from teul.oci.descriptor import Platform
    from teul.registry import RegistryClient
    from teul.solver import Task

DOWNLOADS = 4
CHUNK_BYTES = 1 << 20


class _RegistrySource:
    """A cache at a reference."""

    def __init__(self, engine: Engine, client: RegistryClient, target: CacheTarget) -> None:
        self._engine = engine
        self._client = client
        self._reference = Reference.parse(target.place)
        self.name = target.place

    def top(self) -> tuple[str, bytes]:
        document = self._client.manifest(self._reference)
        return document.descriptor.media_type, document.data

    def document(self, descriptor: Descriptor) -> bytes:
        if descriptor.media_type in INDEX_TYPES or "manifest" in descriptor.media_type:
            place = Reference(self._reference.domain, self._reference.path, "", descriptor.digest)
            return self._client.manifest(place).data
        if descriptor.size_bytes <= DOCUMENT_LIMIT_BYTES:
            return self._client.blob(self._reference, descriptor)
        self.fetch(descriptor)
        try:
            return self._engine.store.read(descriptor.digest)
        finally:
            self._engine.store.remove(descriptor.digest)

    def fetch(self, descriptor: Descriptor, on_bytes: Callable[[int], object] = lambda count: None) -> None:
        """Bring a blob into the store."""
        with self._engine.store.ingest(expected=descriptor.digest, size_bytes=descriptor.size_bytes) as writer:
            self._client.fetch_blob(self._reference, descriptor, writer, on_bytes=lambda piece: on_bytes(len(piece)))
            writer.commit()


class _FolderSource:
    """A cache in an OCI layout."""

    def __init__(self, engine: Engine, target: CacheTarget) -> None:
        self._engine = engine
        self._target = target
        self._folder = os.path.abspath(target.place)
        self.name = target.place

    def top(self) -> tuple[str, bytes]:
        from teul.images.archive import REF_NAME

        with open(f"{self._folder}/index.json", "rb") as file:
            index = Index.parse(file.read(DOCUMENT_LIMIT_BYTES + 1))
        for descriptor in index.manifests:
            named = descriptor.annotations.get(REF_NAME, "latest")
            if descriptor.digest == self._target.digest or (not self._target.digest and named == self._target.tag):
                return descriptor.media_type, self.document(descriptor)
        raise NotFound(
            text("`{folder}` has no cache `{tag}`", folder=self.name, tag=self._target.digest or self._target.tag)
        )

    def document(self, descriptor: Descriptor) -> bytes:
        if descriptor.size_bytes > LIMIT_BYTES:
            raise InvalidDocument(
                descriptor.media_type,
                text("expected at most {limit} bytes, got {size}", limit=LIMIT_BYTES, size=descriptor.size_bytes),
            )
        self.fetch(descriptor)
        return self._engine.store.read(descriptor.digest)

    def fetch(self, descriptor: Descriptor, on_bytes: Callable[[int], object] = lambda count: None) -> None:
        with (
            open(f"{self._folder}/blobs/sha256/{descriptor.digest.hex}", "rb") as file,
            self._engine.store.ingest(expected=descriptor.digest, size_bytes=descriptor.size_bytes) as writer,
        ):
            left = descriptor.size_bytes + 1
            while left and (piece := file.read(min(CHUNK_BYTES, left))):
                writer.write(piece)
                left -= len(piece)
                on_bytes(len(piece))
            writer.commit()


Source = _RegistrySource | _FolderSource


class ImportedCache:
    """The caches of one build, the first that knows a key first. Safe for several threads.

    Args:
        hold: protects a layer from gc while the build lives.
    """

    def __init__(
        self, engine: Engine, targets: Sequence[CacheTarget], hold: Callable[[str, str], None], events: Sink
    ) -> None:
        self._engine = engine
        self._hold = hold
        self._events = events
        self._stack = ExitStack()
        self._client: RegistryClient | None = None
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._torn: set[Digest] = set()
        self._fetched: set[Digest] = set()
        self.records: dict[str, dict[str, Any]] = {}
        self.layers: dict[Digest, tuple[Descriptor, Source]] = {}
        self.mounts: dict[str, tuple[Descriptor, Source]] = {}
        for target in targets:
            self._open(target)

    def close(self) -> None:
        self._stack.close()

    def client(self) -> RegistryClient:
        """One client for all that the build moves."""
        with self._guard:
            if self._client is None:
                from teul.engine.images.pulling import open_client

                self._client = self._stack.enter_context(open_client(self._engine, self._stop))
            return self._client

    def _open(self, target: CacheTarget) -> None:
        step, name = f"import-{target.place}", text("importing cache from {place}", place=target.place)
        self._events(Step(step, name, "started"))
        try:
            source: Source
            if target.kind == "registry":
                source = _RegistrySource(self._engine, self.client(), target)
            else:
                source = _FolderSource(self._engine, target)
            config, layers = self._read(source)
        except (TeulError, OSError) as error:
            if isinstance(error, Cancelled):
                raise
            self._events(Step(step, name, "done"))
            self._warn(target.place, error)
            return
        for record in config.records:
            self.records.setdefault(record.key, record.to_result())
        for diff_id, descriptor in layers.items():
            self.layers.setdefault(diff_id, (descriptor, source))
        if target.with_mounts:
            for mount, descriptor in config.mounts.items():
                self.mounts.setdefault(mount, (descriptor, source))
        self._events(Step(step, name, "done"))

    def _read(
        self, source: Source, platform: Platform | None = None
    ) -> tuple[CacheConfig, Mapping[Digest, Descriptor]]:
        media_type, data = source.top()
        if media_type in INDEX_TYPES:
            index = Index.parse(data)
            if any("buildkit" in item.media_type for item in index.manifests):
                raise InvalidDocument("build cache", text("another builder made it"))
            data = source.document(index.select(platform or host_platform(), source.name))
        manifest = Manifest.parse(data)
        document = source.document(manifest.config)
        if manifest.config.media_type == CONFIG_TYPE:
            config = CacheConfig.parse(document)
            return config, config.layers
        if manifest.config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
            raise InvalidDocument("build cache", text("another builder made it"))
        value = load_document(document, "image config")
        if INLINE_FIELD not in value:
            raise ImageNotFound(
                source.name, hint=text("build it with --cache-to type=inline, and push it")
            ) from InvalidDocument("build cache", text("the image has none"))
        diff_ids = [Digest.parse(item) for item in value["rootfs"]["diff_ids"]]
        return CacheConfig.from_json(value[INLINE_FIELD]), dict(zip(diff_ids, manifest.layers, strict=True))

    def _warn(self, place: str, error: Exception) -> None:
        problem = error.message if isinstance(error, TeulError) else str(error)
        self._events(
            Warn("", "cache-import", text("cache `{place}` is not used: {problem}", place=place, problem=problem))
        )

    def abort(self) -> None:
        """End all transfers, from another thread."""
        self._stop.set()
        with self._guard:
            client = self._client
        if client is not None:
            client.transport.abort()

    # What the solver and the worker ask.

    def offers(self, diff_id: Digest) -> bool:
        """Whether a cache has the layer."""
        return diff_id in self.layers and diff_id not in self._torn

    def can_bring(self, diff_ids: Sequence[Digest]) -> bool:
        """Whether each layer of a stack is here or in a cache."""
        has = self._engine.snapshots.has
        return all(has(diff_ids[: number + 1]) or self.offers(diff_id) for number, diff_id in enumerate(diff_ids))

    def bring(self, diff_ids: Sequence[Digest], task: Task) -> bool:
        """Get the layers that are missing, bottom first; downloads go side by side."""
        snapshots = self._engine.snapshots
        for diff_id in diff_ids:
            self._hold("layer", diff_id)
        missing = [diff_id for number, diff_id in enumerate(diff_ids) if not snapshots.has(diff_ids[: number + 1])]
        total = sum(self.layers[diff_id][0].size_bytes for diff_id in missing)
        done = 0
        guard = threading.Lock()

        def on_bytes(count: int) -> None:
            nonlocal done
            if task.should_stop():
                raise Cancelled(text("the build was stopped"))
            with guard:
                done += count
                task.events(Advance(task.id, done, total))

        try:
            with ThreadPoolExecutor(DOWNLOADS, thread_name_prefix="teul-import") as pool:
                fetched = [pool.submit(self._fetch, diff_id, on_bytes) for diff_id in missing]
                for diff_id, future in zip(missing, fetched, strict=True):
                    try:
                        future.result()
                        self._unpack(diff_id, diff_ids[: diff_ids.index(diff_id)])
                    except (TeulError, OSError) as error:
                        if isinstance(error, Cancelled) or getattr(error, "errno", 0) in (28, 122):
                            raise
                        self._torn.add(diff_id)
                        self._warn(self.layers[diff_id][1].name, error)
                        return False
        finally:
            for diff_id in missing:
                self._drop(self.layers[diff_id][0].digest)
        return True

    def _fetch(self, diff_id: Digest, on_bytes: Callable[[int], object]) -> None:
        descriptor, source = self.layers[diff_id]
        if self._engine.snapshots.has((diff_id,)) or self._engine.store.has(descriptor.digest):
            return
        with self._guard:
            self._fetched.add(descriptor.digest)
        source.fetch(descriptor, on_bytes)

    def _drop(self, blob: Digest) -> None:
        """Take a blob away again, if it was this build that brought it."""
        with self._guard:
            if blob not in self._fetched:
                return
            self._fetched.discard(blob)
        self._engine.store.remove(blob)

    def _unpack(self, diff_id: Digest, below: Sequence[Digest]) -> None:
        from teul.layers.codec import open_decoded

        snapshots, store = self._engine.snapshots, self._engine.store
        with self._guard:
            lock = self._locks.setdefault(diff_id, threading.Lock())
        with lock:
            if snapshots.has((*below, diff_id)):
                return
            descriptor = self.layers[diff_id][0]
            if not store.has(descriptor.digest):
                # Another stack with the same layer was done with the blob before us.
                self.layers[diff_id][1].fetch(descriptor)
            with store.open(descriptor.digest) as reader:
                snapshots.unpack(open_decoded(reader, descriptor.media_type), diff_id, snapshots.resolve(below))

    def bring_mount(self, name: str, folder: str) -> bool:
        """Fill *folder* (there and empty) with a cache mount; on False it is empty again."""
        if name not in self.mounts:
            return False
        from teul.host.fs import remove_tree
        from teul.layers import apply
        from teul.layers.codec import open_decoded

        descriptor, source = self.mounts[name]
        try:
            source.fetch(descriptor)
            with self._engine.store.open(descriptor.digest) as reader:
                apply(open_decoded(reader), folder, device_marks=False)
        except (TeulError, OSError) as error:
            if isinstance(error, Cancelled) or getattr(error, "errno", 0) in (28, 122):
                raise
            for entry in os.listdir(folder):
                remove_tree(f"{folder}/{entry}")
            self._warn(source.name, error)
            return False
        finally:
            self._engine.store.remove(descriptor.digest)
        return True
