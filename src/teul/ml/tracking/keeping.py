"""Artifacts and the engine's housekeeping: let go before a prune, measure for `system df`, forget a store that is gone."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from teul.errors import BlobNotFound, InvalidInput, TeulError, TrackingNotFound, text
from teul.host.fs import crash_point, remove_file
from teul.ml.tracking import artifacts
from teul.ml.tracking.artifact_roots import forget_vanished
from teul.ml.tracking.database import is_url, open_database, without_password
from teul.ml.tracking.store import TrackingStore
from teul.oci.digest import Digest
from teul.state import artifacts as rows
from teul.state.db import Database as StateDatabase

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


@dataclass(frozen=True, slots=True)
class Keeper:
    """A tracking store on whose behalf blobs stay in this state folder: how many, or None when nobody knows."""

    id: str
    location: str
    count: int | None


def absent(settings: Settings) -> list[Keeper]:
    """The stores for which artifacts are kept here and that neither lie here nor are the one that the settings name."""
    there = {os.path.basename(settings.tracking_database)}
    if settings.tracking_store:
        try:
            with TrackingStore.of(settings) as store:
                there |= {store.content.roots.store} if store.content.roots is not None else set()
        except TeulError:
            here = without_password(settings.tracking_store)
            there |= {item.id for item in _keepers(settings) if item.location == here}
    return [item for item in _keepers(settings) if item.id not in there]


def forget(settings: Settings, wanted: str) -> Keeper:
    """Let go of all that was kept for a store that is gone for good; *wanted* is its id, or the beginning of one.

    Raises:
        TrackingNotFound: nothing is kept for such a store.
        InvalidInput: several are meant, or it is not gone: it is the file here, or it answers.
    """
    found = [item for item in _keepers(settings) if wanted and item.id.startswith(wanted)]
    if not found:
        raise TrackingNotFound(text("no artifacts are kept for tracking store `{store}`", store=wanted))
    if len(found) > 1:
        ids = ", ".join(item.id for item in found)
        raise InvalidInput(text("`{store}` is the beginning of several: say which: {ids}", store=wanted, ids=ids))
    (keeper,) = found
    if os.path.exists(f"{settings.root}/{keeper.id}") or _answers(settings, keeper):
        raise InvalidInput(
            text("tracking store `{store}` is not gone: it is at {location}", store=keeper.id, location=keeper.location)
        )
    database = StateDatabase.open(settings.database)
    try:
        rows.forget(database, keeper.id)
    finally:
        database.close()
    crash_point("store-forgotten")
    # Second: as long as the file is there and the list is not, nothing is swept, and this can be done again.
    remove_file(f"{settings.tracking_stores}/{keeper.id}")
    return keeper


def _keepers(settings: Settings) -> list[Keeper]:
    made: dict[str, Keeper] = {}
    try:
        names = [name for name in os.listdir(settings.tracking_stores) if not name.endswith(".tmp")]
    except FileNotFoundError:
        return []
    for name in names:
        with open(f"{settings.tracking_stores}/{name}", encoding="utf-8") as file:
            made[name] = Keeper(name, file.read(), None)
    database = StateDatabase.open(settings.database)
    try:
        for store, location in rows.stores(database).items():
            made[store] = Keeper(store, location, len(rows.listed(database, store)))
    finally:
        database.close()
    return sorted(made.values(), key=lambda item: item.id)


def _answers(settings: Settings, keeper: Keeper) -> bool:
    """Whether the database that we were told of is there and is still this store."""
    if not is_url(keeper.location):
        return False
    named = settings.tracking_store
    try:
        # The settings may know a password, which is not kept with the location.
        db = open_database(named if named and without_password(named) == keeper.location else keeper.location)
    except TeulError:
        return False
    try:
        return artifacts.mark_of(db) == keeper.id
    finally:
        db.close()


def _stores(settings: Settings) -> Iterator[Settings]:
    """The store that the settings name, and the file of this state folder beside it."""
    if settings.has_tracking:
        yield settings
    local = replace(settings, tracking_store="", tracking_artifacts="")
    if settings.tracking_store and local.has_tracking:
        yield local
