"""Push: compress what was never compressed, send what the registry lacks, then the manifest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TypeVar

from teul.engine.images.compressing import compressed, find_own
from teul.engine.images.pulling import open_client
from teul.errors import BlobNotFound, Cancelled, InvalidInput, InvalidReference, text
from teul.events import Advance, Step, silent
from teul.host.fs import crash_point
from teul.oci.descriptor import OCI_CONFIG, Descriptor
from teul.oci.digest import Digest
from teul.oci.image import Manifest
from teul.oci.reference import Reference
from teul.registry import PushPlan, RegistryClient, plan_push
from teul.registry.transfer import COMPRESS, MOUNT, SKIP, PushLayer, PushOperation
from teul.state import content as content_rows
from teul.state.leases import Lease, lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from teul.engine import Engine
    from teul.events import Sink
    from teul.images import Image

UPLOADS = 4
"""Blobs that are sent at once."""
CODECS = ("", "gzip", "zstd")
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


def push(
    engine: Engine,
    reference: str,
    *,
    compression: str = "",
    annotations: Mapping[str, str] | None = None,
    is_tagged: bool = True,
    events: Sink = silent,
) -> Digest:
    """See `teul.engine.images.push`."""
    if compression not in CODECS:
        raise InvalidInput(text("compression `{name}`: expected gzip or zstd", name=compression))
    target = Reference.parse(reference)
    if target.digest:
        raise InvalidReference(reference, text("a name for an image has a tag and no digest"))
    image = engine.images.get(reference)
    stop = threading.Event()
    with open_client(engine, stop) as client, lease(engine.db) as held:
        made = _Push(engine, client, image, target, held, stop, events)
        try:
            return made.run(compression, annotations or {}, is_tagged=is_tagged)
        finally:
            made.clean_up()


class _Refused(Exception):
    """The registry does not mount a blob that we cannot send as it is."""


class _Push:
    def __init__(
        self,
        engine: Engine,
        client: RegistryClient,
        image: Image,
        target: Reference,
        held: Lease,
        stop: threading.Event,
        events: Sink,
    ) -> None:
        self.engine = engine
        self.client = client
        self.image = image
        self.target = target
        self.held = held
        self.stop = stop
        self.made: set[Digest] = set()
        """Blobs that exist only for this push."""
        self._events = events
        self._lock = threading.Lock()

    def tell(self, event: Step | Advance) -> None:
        with self._lock:
            self._events(event)

    def run(self, compression: str, annotations: Mapping[str, str], *, is_tagged: bool) -> Digest:
        engine, image = self.engine, self.image
        manifest_bytes = b""
        if image.manifest and not compression:
            try:
                manifest_bytes = self._as_it_came(engine.store.read(image.manifest))
            except (_Refused, BlobNotFound):
                manifest_bytes = b""
        if not manifest_bytes:
            manifest_bytes = self._as_we_make_it(compression or "gzip")
        manifest = Manifest.parse(manifest_bytes)
        if annotations:
            manifest = replace(manifest, annotations={**manifest.annotations, **annotations})
            manifest_bytes = manifest.to_bytes()
        self._send_config(manifest.config)
        crash_point("push-sent")
        target = self.target if is_tagged else replace(self.target, tag="", digest=Digest.of(manifest_bytes))
        digest = self.client.put_manifest(target, manifest_bytes, manifest.media_type)
        with engine.db:
            for layer in manifest.layers:
                content_rows.add_origin(engine.db, layer.digest, self.target.repository)
            engine.images.add_repository_digest(image.id, self.target.repository, digest, manifest=manifest_bytes)
        return digest

    def clean_up(self) -> None:
        for digest in self.made:
            self.engine.store.remove(digest)

    # The two forms of an image.

    def _as_it_came(self, manifest_bytes: bytes) -> bytes:
        """Push by the manifest that a registry gave. Raises _Refused when a blob of it cannot be had there."""
        manifest = Manifest.parse(manifest_bytes)
        layers = [
            PushLayer(diff_id, descriptor)
            for diff_id, descriptor in zip(self.image.config.diff_ids, manifest.layers, strict=True)
        ]
        plan = plan_push(self._look(layers))
        if plan.needs_compression:
            raise _Refused
        self._execute(plan, "")
        return manifest_bytes

    def _as_we_make_it(self, codec: str) -> bytes:
        """Push with our own compressed forms; the manifest is the same on every machine."""
        layers = [
            PushLayer(diff_id, find_own(self.engine.db, diff_id, codec)) for diff_id in self.image.config.diff_ids
        ]
        plan = plan_push(self._look(layers))
        descriptors = self._execute(plan, codec)
        config = Descriptor(OCI_CONFIG, self.image.id, len(self.image.config_bytes))
        return Manifest(
            config=config, layers=tuple(descriptors[diff_id] for diff_id in self.image.config.diff_ids)
        ).to_bytes()

    def _look(self, layers: Sequence[PushLayer]) -> list[PushLayer]:
        """Fill in what the registry and our store have."""
        origins = {
            layer.descriptor.digest: content_rows.origins(self.engine.db, layer.descriptor.digest)
            for layer in layers
            if layer.descriptor
        }

        def look(layer: PushLayer) -> PushLayer:
            if layer.descriptor is None:
                return layer
            digest = layer.descriptor.digest
            prefix = f"{self.target.domain}/"
            return PushLayer(
                layer.diff_id,
                layer.descriptor,
                exists=self.client.has_blob(self.target, digest),
                mount_from=tuple(
                    place.removeprefix(prefix)
                    for place in origins[digest]
                    if place.startswith(prefix) and place != self.target.repository
                ),
                is_here=self.engine.store.has(digest),
            )

        for layer in layers:
            if layer.descriptor:
                self.held.add("blob", layer.descriptor.digest)
        return self._together(look, layers)

    # Doing it.

    def _execute(self, plan: PushPlan, codec: str) -> dict[Digest, Descriptor]:
        made = self._together(lambda operation: self._layer(operation, codec), plan.operations)
        return {
            operation.diff_id: descriptor
            for operation, descriptor in zip(plan.operations, made, strict=True)
            if descriptor is not None
        }

    def _layer(self, operation: PushOperation, codec: str) -> Descriptor | None:
        short = operation.diff_id.short
        if operation.kind == SKIP:
            if operation.descriptor is not None:
                self.tell(Step(short, f"{short}: Layer already exists", "done", cached=True))
            return operation.descriptor
        name = f"{short}: Pushing"
        self.tell(Step(short, name, "started"))
        try:
            if operation.kind == MOUNT and operation.descriptor is not None:
                if self.client.mount_blob(self.target, operation.descriptor.digest, operation.mount_from):
                    self.tell(Step(short, f"{short}: Mounted from {operation.mount_from}", "done"))
                    return operation.descriptor
                if not codec and not self.engine.store.has(operation.descriptor.digest):
                    raise _Refused
            descriptor = operation.descriptor
            if descriptor is None or not self.engine.store.has(descriptor.digest):
                descriptor = self._compress(operation, codec)
            if operation.kind == COMPRESS and self.client.has_blob(self.target, descriptor.digest):
                self.tell(Step(short, f"{short}: Layer already exists", "done", cached=True))
                return descriptor
            self._upload(descriptor, short)
        except BaseException as error:
            state = "cancelled" if isinstance(error, Cancelled) else "failed"
            self.tell(Step(short, name, state, error=str(error)))
            raise
        self.tell(Step(short, f"{short}: Pushed", "done"))
        return descriptor

    def _compress(self, operation: PushOperation, codec: str) -> Descriptor:
        descriptor = compressed(self.engine, self._snapshot(operation.diff_id), codec, should_stop=self.stop.is_set)
        with self._lock:
            self.made.add(descriptor.digest)
        return descriptor

    def _snapshot(self, diff_id: Digest) -> str:
        number = self.image.config.diff_ids.index(diff_id)
        return self.engine.snapshots.resolve(self.image.config.diff_ids[: number + 1])[-1]

    def _upload(self, descriptor: Descriptor, short: str) -> None:
        def chunks() -> Iterator[bytes]:
            sent = 0
            with self.engine.store.open(descriptor.digest) as reader:
                while piece := reader.read(1 << 20):
                    if self.stop.is_set():
                        raise Cancelled(text("cancelled"))
                    yield piece
                    sent += len(piece)
                    self.tell(Advance(short, sent, descriptor.size_bytes))

        self.client.upload_blob(self.target, descriptor, chunks)

    def _send_config(self, descriptor: Descriptor) -> None:
        if not self.client.has_blob(self.target, descriptor.digest):
            self.client.upload_blob(self.target, descriptor, lambda: iter((self.image.config_bytes,)))

    def _together(self, work: Callable[[_Item], _Made], items: Sequence[_Item]) -> list[_Made]:
        """*work* on all *items* at once; the first error stops the rest."""
        with ThreadPoolExecutor(UPLOADS, thread_name_prefix="teul-push") as pool:
            futures = []
            try:
                futures = [pool.submit(work, item) for item in items]
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                return [future.result() for future in futures]
            except _Refused:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            except BaseException:
                self.stop.set()
                self.client.transport.abort()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
