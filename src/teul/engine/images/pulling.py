"""Pull: resolve, fetch what is missing, unpack while it comes, make it known. Policy is in `teul.registry.transfer`.

1. A layer is unpacked while it is downloaded, in a thread of its own; it learns of the end of its stream only after
   the blob's digest was right, so a layer is never committed from bytes that were not verified.
2. Layers are unpacked independently of each other and in any order. The rare one that does not stand alone (its
   snapshot's name then has an `@`) is unpacked again, from its blob, once all below it are there.
3. What was downloaded stays in an ingest named by its digest when we are stopped, and the next pull goes on from there.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from teul.errors import (
    BlobNotFound,
    Cancelled,
    Corrupt,
    Denied,
    ImageNotFound,
    MalformedLayer,
    NotFound,
    PlatformMismatch,
    RegistryUnavailable,
    Unsupported,
    text,
)
from teul.events import Advance, Step, silent
from teul.host.platform import host_platform
from teul.images.bootstrap import suggestion
from teul.layers.codec import open_decoded
from teul.oci.descriptor import DOCKER_CONFIG, OCI_CONFIG, Platform
from teul.oci.digest import Digest
from teul.oci.image import ImageConfig, Index, Manifest
from teul.oci.reference import Reference
from teul.registry import Document, RegistryClient, plan_pull
from teul.registry.transfer import FETCH, KEEP, UNPACK, PullOperation
from teul.state import content as content_rows
from teul.state.leases import lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from teul.content.protocol import Store
    from teul.engine import Engine
    from teul.events import Sink
    from teul.images import Image
else:
    from teul.values import dataclass

DOWNLOADS = 4
"""Blobs that are downloaded at once."""
RELAY_PIECES = 16
"""Pieces of a download (at most 256 KiB each) that may wait for the unpacking thread."""
PROGRESS_BYTES = 1 << 20


@contextmanager
def open_client(engine: Engine, stop: threading.Event | None = None) -> Iterator[RegistryClient]:
    """A client with this engine's settings; its pauses end when *stop* is set."""
    settings = engine.settings
    with RegistryClient(
        environ=settings.environ or {},
        docker_config=settings.docker_config,
        insecure=settings.insecure_registries,
        sleep=stop.wait if stop else None,
    ) as client:
        yield client


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a registry says of an image: *top* is what the reference names, *manifest* this platform's in it."""

    reference: Reference
    platform: str
    top: Digest
    manifest: bytes
    config: bytes

    @property
    def id(self) -> Digest:
        return Digest.of(self.config)


def pull(
    engine: Engine, reference: str, *, platform: str = "", keep_blobs: bool = False, events: Sink = silent
) -> Image:
    """See `teul.engine.images.pull`."""
    wanted = Reference.parse(reference)
    with _pulling(engine, wanted, platform, events) as made:
        made.keep_blobs = keep_blobs
        return made.bring(made.resolve())


def resolve(
    engine: Engine,
    reference: str,
    *,
    platform: str = "",
    events: Sink = silent,
    on_start: Callable[[Callable[[], None]], object] = lambda abort: None,
) -> Resolved:
    """What `pull` would bring, without bringing it; nothing is kept.

    Args:
        on_start: is given what another thread may call to end the questions.
    Raises:
        As `teul.engine.images.pull`.
    """
    with _pulling(engine, Reference.parse(reference), platform, events) as made:
        on_start(made.abort)
        return made.resolve()


def bring(
    engine: Engine,
    resolved: Resolved,
    *,
    events: Sink = silent,
    on_start: Callable[[Callable[[], None]], object] = lambda abort: None,
) -> Image:
    """See `teul.engine.images.bring`."""
    with _pulling(engine, resolved.reference, resolved.platform, events) as made:
        on_start(made.abort)
        return made.bring(resolved)


@contextmanager
def _pulling(engine: Engine, wanted: Reference, platform: str, events: Sink) -> Iterator[_Pull]:
    """A pull of *wanted*; errors of the registry name the image."""
    stop = threading.Event()
    with open_client(engine, stop) as client:
        try:
            yield _Pull(engine, client, wanted, platform, stop, events)
        except RegistryUnavailable as error:
            made = RegistryUnavailable(
                text("image `{name}` cannot be pulled: {problem}", name=wanted.familiar, problem=error.message),
                hint=suggestion(wanted) if error.is_unreachable else None,
            )
            made.retry_after_s, made.is_unreachable = error.retry_after_s, error.is_unreachable
            raise made from error
        except Denied as error:
            # Docker Hub answers so for a repository that does not exist.
            error.message = text(
                "image `{name}` cannot be pulled: {problem}", name=wanted.familiar, problem=error.message
            )
            raise


class _Pull:
    def __init__(
        self,
        engine: Engine,
        client: RegistryClient,
        reference: Reference,
        platform: str,
        stop: threading.Event,
        events: Sink,
    ) -> None:
        self.engine = engine
        self.store: Store = engine.store
        self.client = client
        self.reference = reference
        self.platform = Platform.parse(platform) if platform else host_platform()
        self.asked = platform
        self.keep_blobs = False
        self.stop = stop
        self._events = events
        self._events_lock = threading.Lock()

    def tell(self, event: Step | Advance) -> None:
        with self._events_lock:
            self._events(event)

    def abort(self) -> None:
        """End all transfers, from another thread."""
        self.stop.set()
        self.client.transport.abort()

    def resolve(self) -> Resolved:
        step = f"{self.reference.tag or self.reference.digest}: Pulling from {self.reference.path}"
        self.tell(Step("resolve", step, "started"))
        try:
            top = self._resolve(self.reference)
            document = self._select(top)
            config = self._config(Manifest.parse(document.data))
            self._check_platform(ImageConfig.parse(config))
        except BaseException as error:
            self.tell(Step("resolve", step, "failed", error=str(error)))
            raise
        self.tell(Step("resolve", step, "done"))
        return Resolved(
            reference=self.reference,
            platform=self.asked,
            top=top.descriptor.digest,
            manifest=document.data,
            config=config,
        )

    def bring(self, resolved: Resolved) -> Image:
        manifest = Manifest.parse(resolved.manifest)
        config = ImageConfig.parse(resolved.config)
        with lease(self.engine.db) as held:
            for diff_id in config.diff_ids:
                held.add("layer", diff_id)
            for layer in manifest.layers:
                held.add("blob", layer.digest)
            plan = plan_pull(
                manifest,
                config,
                layers=self._present(config.diff_ids),
                blobs={layer.digest for layer in manifest.layers if self.store.has(layer.digest)},
            )
            self._bring(plan.operations, config.diff_ids)
            self._remember(plan.operations)
            names = (self.reference,) if not self.reference.digest else ()
            image = self.engine.images.add(
                resolved.config,
                manifest=resolved.manifest,
                names=names,
                repository_digest=(self.reference.repository, resolved.top),
            )
            if not self.keep_blobs:
                for operation in plan.operations:
                    if operation.kind != KEEP:
                        self.store.remove(operation.descriptor.digest)
            return image

    # What to pull.

    def _resolve(self, reference: Reference) -> Document:
        try:
            document = self.client.manifest(reference)
        except NotFound as error:
            made = ImageNotFound(reference.familiar, hint=suggestion(reference))
            made.message = text("image `{name}` not found: {problem}", name=reference.familiar, problem=error.message)
            raise made from error
        return document

    def _select(self, document: Document) -> Document:
        for _ in range(2):
            if not document.is_index:
                return document
            chosen = Index.parse(document.data).select(self.platform, self.reference.familiar)
            document = self._resolve(Reference(self.reference.domain, self.reference.path, "", chosen.digest))
        raise Unsupported(text("image `{name}`: an index within an index", name=self.reference.familiar))

    def _config(self, manifest: Manifest) -> bytes:
        descriptor = manifest.config
        if descriptor.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
            raise Unsupported(
                text(
                    "`{name}` is not an image: its config is `{media_type}`",
                    name=self.reference.familiar,
                    media_type=descriptor.media_type[:100],
                )
            )
        try:
            return self.store.read(descriptor.digest)
        except BlobNotFound:
            return self.client.blob(self.reference, descriptor)

    def _check_platform(self, config: ImageConfig) -> None:
        actual = config.platform
        # Some old images say nothing; they are taken for what was asked for.
        if actual.os and actual.architecture and not self.platform.accepts(actual):
            mismatch = PlatformMismatch(self.reference.familiar, str(self.platform), str(actual))
            if not self.asked:
                mismatch.hint = text(
                    "teul pull --platform {platform} {name}", platform=actual, name=self.reference.familiar
                )
            raise mismatch

    def _present(self, diff_ids: tuple[Digest, ...]) -> list[bool]:
        """For each layer whether it is here: as it stands alone, or as it stands on those below it."""
        snapshots = self.engine.snapshots
        if snapshots.has(diff_ids):
            return [True] * len(diff_ids)
        made: list[bool] = []
        for number, diff_id in enumerate(diff_ids):
            made.append(snapshots.has((diff_id,)) or (all(made) and snapshots.has(diff_ids[: number + 1])))
        return made

    # Getting it.

    def _bring(self, operations: tuple[PullOperation, ...], diff_ids: tuple[Digest, ...]) -> None:
        for operation in operations:
            if operation.kind == KEEP:
                self._tell_layer(operation, "done", cached=True)
        wanted = [operation for operation in operations if operation.kind != KEEP]
        with ThreadPoolExecutor(DOWNLOADS, thread_name_prefix="teul-pull") as pool:
            futures: dict[Future[bool], PullOperation] = {}
            try:
                for operation in wanted:
                    futures[pool.submit(self._layer, operation)] = operation
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                self.abort()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        again = {operation.diff_id for future, operation in futures.items() if not future.result()}
        for number, operation in enumerate(operations):
            is_new = operation.kind != KEEP
            if operation.diff_id in again or (is_new and not self._fits(operation, diff_ids[:number])):
                again.discard(operation.diff_id)
                self._unpack_on(operation, diff_ids[:number])

    def _fits(self, operation: PullOperation, below: tuple[Digest, ...]) -> bool:
        snapshots = self.engine.snapshots
        *names, name = snapshots.resolve((*below, operation.diff_id))
        return snapshots.fits(name, names)

    def _layer(self, operation: PullOperation) -> bool:
        """Bring one layer here; False when it must wait for those below it (its blob is here then)."""
        self._tell_layer(operation, "started")
        try:
            is_unpacked = False
            if operation.kind == FETCH:
                is_unpacked = self._fetch(operation)
            if not is_unpacked:
                is_unpacked = self._unpack_stored(operation)
        except BaseException as error:
            self._tell_layer(operation, "cancelled" if isinstance(error, Cancelled) else "failed", error=str(error))
            raise
        if is_unpacked:
            self._tell_layer(operation, "done")
        return is_unpacked

    def _fetch(self, operation: PullOperation) -> bool:
        """Download the blob and unpack it on the way; False when only the download is done."""
        descriptor = operation.descriptor
        with self.store.ingest(
            expected=descriptor.digest, size_bytes=descriptor.size_bytes, key=descriptor.digest
        ) as writer:
            # One that goes on in the middle has nothing to unpack from; it is unpacked from its blob afterwards.
            unpacking = None if writer.offset else _Unpacking(self._alone, operation, self.stop)
            told = writer.offset
            try:

                def on_bytes(piece: memoryview | bytes) -> None:
                    nonlocal told
                    if self.stop.is_set():
                        raise Cancelled(text("cancelled"))
                    if unpacking:
                        unpacking.relay.put(bytes(piece))
                    if writer.offset - told >= PROGRESS_BYTES:
                        told = writer.offset
                        self.tell(Advance(descriptor.digest.short, told, descriptor.size_bytes))

                def on_restart() -> None:
                    if unpacking:
                        unpacking.relay.fail(_Restarted())

                self.client.fetch_blob(self.reference, descriptor, writer, on_bytes=on_bytes, on_restart=on_restart)
                writer.commit()
            except BaseException as error:
                if unpacking:
                    unpacking.relay.fail(error)
                    unpacking.join()
                raise
        self.tell(Advance(descriptor.digest.short, descriptor.size_bytes, descriptor.size_bytes))
        if unpacking is None:
            return False
        unpacking.relay.finish()
        return unpacking.result()

    def _unpack_stored(self, operation: PullOperation) -> bool:
        try:
            with self.store.open(operation.descriptor.digest) as reader:
                return self._alone(operation, _Watched(reader.read, self.stop).read)
        except BlobNotFound:
            # Another pull of the same layer was done with it, and unpacked it, before we came.
            if self.engine.snapshots.has((operation.diff_id,)):
                return True
            if operation.kind == UNPACK:
                return self._fetch(operation) or self._unpack_stored(operation)
            raise

    def _alone(self, operation: PullOperation, read: Callable[[int], bytes]) -> bool:
        """Unpack a layer without those below it; False when it does not stand alone."""
        snapshots = self.engine.snapshots
        source = _Source(read)
        try:
            name = snapshots.unpack(open_decoded(source, operation.descriptor.media_type), operation.diff_id, None)
        except MalformedLayer:
            if isinstance(source.error, BaseException):
                raise source.error from None
            # A hard link to a file of a layer below looks like this; the second try tells what is the matter.
            return False
        if "@" in name:
            snapshots.remove(name)
            return False
        return True

    def _unpack_on(self, operation: PullOperation, below: tuple[Digest, ...]) -> None:
        snapshots = self.engine.snapshots
        with self.store.open(operation.descriptor.digest) as reader:
            stream = open_decoded(_Source(_Watched(reader.read, self.stop).read), operation.descriptor.media_type)
            try:
                snapshots.unpack(stream, operation.diff_id, snapshots.resolve(below))
            except BaseException as error:
                self._tell_layer(operation, "failed", error=str(error))
                raise
        self._tell_layer(operation, "done")

    def _remember(self, operations: tuple[PullOperation, ...]) -> None:
        db = self.engine.db
        with db:
            for operation in operations:
                descriptor = operation.descriptor
                content_rows.add_compressed(
                    db,
                    content_rows.CompressedLayer(
                        descriptor.digest, descriptor.media_type, descriptor.size_bytes, operation.diff_id
                    ),
                )
                content_rows.add_origin(db, descriptor.digest, self.reference.repository)

    def _tell_layer(self, operation: PullOperation, state: str, *, cached: bool = False, error: str = "") -> None:
        short = operation.descriptor.digest.short
        name = {"done": "Already exists" if cached else "Pull complete"}.get(state, "Pulling fs layer")
        self.tell(Step(short, f"{short}: {name}", state, cached=cached, error=error))


class _Restarted(Exception):
    """The download began anew; what was unpacked of it is worth nothing."""


class _Source:
    """A readable thing for the decoder, that remembers why it stopped giving."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._read(size)
        except BaseException as error:
            self.error = error
            raise


class _Watched:
    """Reads that stop when the pull is stopped."""

    def __init__(self, read: Callable[[int], bytes], stop: threading.Event) -> None:
        self._read = read
        self._stop = stop

    def read(self, size: int = -1, /) -> bytes:
        if self._stop.is_set():
            raise Cancelled(text("cancelled"))
        return self._read(size)


class _Relay:
    """Hands the pieces of a download to the thread that unpacks them.

    `finish` says that the whole was verified, `fail` that it was not; a reader that gave up makes `put` do nothing.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._pieces: queue.Queue[bytes | BaseException] = queue.Queue(RELAY_PIECES)
        self._rest = b""
        self._end: BaseException | bool = False
        self._stop = stop
        self.is_abandoned = False

    def put(self, piece: bytes) -> None:
        self._send(piece)

    def finish(self) -> None:
        self._send(b"")

    def fail(self, error: BaseException) -> None:
        self._send(error)
        # Whatever is put from now on has no reader.
        self.is_abandoned = True

    def _send(self, item: bytes | BaseException) -> None:
        while not self.is_abandoned:
            try:
                self._pieces.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def read(self, size: int = -1, /) -> bytes:
        if isinstance(self._end, BaseException):
            raise self._end
        while not self._rest and self._end is False:
            item = self._pieces.get()
            if isinstance(item, BaseException):
                self._end = item
                raise item
            if item:
                self._rest = item
            else:
                self._end = True
        if size < 0:
            size = len(self._rest)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


class _Unpacking:
    """A thread that unpacks what comes over a relay."""

    def __init__(
        self,
        unpack: Callable[[PullOperation, Callable[[int], bytes]], bool],
        operation: PullOperation,
        stop: threading.Event,
    ) -> None:
        self.relay = _Relay(stop)
        self._result: bool | BaseException = False
        self._thread = threading.Thread(target=self._run, args=(unpack, operation), name="teul-unpack", daemon=True)
        self._thread.start()

    def _run(self, unpack: Callable[[PullOperation, Callable[[int], bytes]], bool], operation: PullOperation) -> None:
        try:
            self._result = unpack(operation, self.relay.read)
        except _Restarted:
            self._result = False
        except BaseException as error:
            self._result = error
        finally:
            self.relay.is_abandoned = True

    def join(self) -> None:
        self._thread.join()

    def result(self) -> bool:
        """What unpacking gave. Raises what it raised: never before the download itself was found to be right."""
        self._thread.join()
        if isinstance(self._result, Corrupt):
            # A relay holds no damaged bytes at this point, so the layer itself is damaged; say it from its blob.
            return False
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result
