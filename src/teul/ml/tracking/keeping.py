"""Artifacts and the engine's housekeeping: let go before a prune, measure for `system df`."""

from __future__ import annotations

from dataclasses import replace

from teul.errors import BlobNotFound, TeulError
from teul.ml.tracking import artifacts
from teul.ml.tracking.artifact_roots import forget_vanished
from teul.ml.tracking.store import TrackingStore
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from teul.config import Settings


def let_go(settings: Settings) -> tuple[int, list[str]]:
    """Take what nothing names off the lists of every tracking store of this state folder that can be opened.

    Returns the bytes that were freed at once (in folders of their own), and why a store was left as it is; what it
    listed so far stays then.
    """
    freed, failures = 0, []
    forget_vanished(settings)
    for each in _stores(settings):
        try:
            with TrackingStore.of(each) as store:
                freed += store.collect()[1]
        except TeulError as error:
            failures.append(error.message)
    return freed, failures


def usage(settings: Settings) -> tuple[int, int, int, int]:
    """Blobs of artifacts of this state folder's tracking stores: how many, how many of them have a name, their bytes,
    and the bytes of those that have none.
    """
    sizes: dict[Digest, int] = {}
    named: set[Digest] = set()
    for each in _stores(settings):
        try:
            with TrackingStore.of(each) as store:
                wanted = set(artifacts.digests(store.db))
                content = store.content
                listed = (
                    content.roots.listed() if content.roots is not None else {info.digest for info in content.walk()}
                )
                named |= wanted
                for digest in wanted | listed:
                    try:
                        sizes[digest] = content.info(digest).size_bytes
                    except BlobNotFound:
                        continue
        except TeulError:
            continue  # fsck and prune say why it cannot be opened
    return (
        len(sizes),
        len(sizes.keys() & named),
        sum(sizes.values()),
        sum(size for digest, size in sizes.items() if digest not in named),
    )


def _stores(settings: Settings) -> Iterator[Settings]:
    """The store that the settings name, and the file of this state folder beside it."""
    if settings.has_tracking:
        yield settings
    local = replace(settings, tracking_store="", tracking_artifacts="")
    if settings.tracking_store and local.has_tracking:
        yield local
