"""`import`: an image of one layer out of a tar with a file tree."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import cast

from teul.build import changes as changing
from teul.containers import rfc3339
from teul.events import silent
from teul.layers.codec import open_decoded
from teul.oci.descriptor import Platform
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, History, ImageConfig
from teul.oci.reference import Reference
from teul.state.leases import lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from dataclasses import replace
    from typing import IO

    from teul.engine import Engine
    from teul.events import Sink
    from teul.images import Image
else:
    from teul.values import replace

__all__ = ["fetched", "import_"]
CHUNK_BYTES = 1 << 20


@contextmanager
def fetched(engine: Engine, url: str, *, events: Sink = silent) -> Iterator[IO[bytes]]:
    """The file at *url*, to be read while the block lasts.

    Raises:
        InvalidInput: the server has no such file. SourceUnavailable: it cannot be reached.
    """
    from teul.build.fetching import Fetcher
    from teul.build.sources import HttpSource

    with lease(engine.db) as held:
        fetcher = Fetcher(
            store=engine.store, memory=None, hold=held.add, environ=engine.settings.environ or {}, events=events
        )
        try:
            found = fetcher.fetch(HttpSource(url=url, name="import"))
            with engine.store.open(found.digest) as reader:
                yield cast("IO[bytes]", reader)
            engine.store.remove(found.digest)
        finally:
            fetcher.close()


def import_(
    engine: Engine,
    source: IO[bytes],
    name: str = "",
    *,
    message: str = "",
    changes: Sequence[str] = (),
    platform: str = "",
) -> Image:
    """See `teul.engine.images.import_`."""
    import hashlib

    from teul.host.platform import host_platform

    reference = Reference.parse(name) if name else None
    wanted = Platform.parse(platform) if platform else host_platform()
    config = ImageConfig(platform=wanted, config=ExecutionConfig())
    config = replace(config, config=changing.apply(config, changes))
    folder = f"{engine.settings.root}/layout/ingest"
    os.makedirs(folder, exist_ok=True)
    path = f"{folder}/import-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        # A layer is unpacked under its digest, which the stream's end alone tells.
        hasher = hashlib.sha256()
        with open_decoded(source) as stream, open(path, "xb") as file:
            while piece := stream.read(CHUNK_BYTES):
                hasher.update(piece)
                file.write(piece)
        diff_id = Digest(f"sha256:{hasher.hexdigest()}")
        now = rfc3339(time.time())
        with lease(engine.db) as held:
            held.add("layer", diff_id)
            with open(path, "rb") as file:
                engine.snapshots.unpack(file, diff_id, ())
            config = replace(config, created=now).with_layer(diff_id, History(now, comment=message))
            return engine.images.add(config.to_bytes(), names=() if reference is None else (reference,))
    finally:
        if os.path.exists(path):
            os.unlink(path)
