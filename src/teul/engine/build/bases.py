"""The base images of a build: where each comes from; those of several stages are fetched side by side."""

from __future__ import annotations

import os

from teul.build.dockerfile.lower import BaseImage
from teul.errors import ImageNotFound, InvalidInput, NotFound, PlatformMismatch, Unavailable, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.build.dockerfile.lower import LowerOptions
    from teul.build.dockerfile.parser import Dockerfile
    from teul.engine import Engine
    from teul.engine.build import BuildOptions
    from teul.engine.build.locking import BuildLock
    from teul.events import Sink
    from teul.images import Image
    from teul.oci.descriptor import Platform

FETCHES = 4


def fetch_together(
    engine: Engine, dockerfile: Dockerfile, lowering: LowerOptions, options: BuildOptions, events: Sink
) -> Mapping[tuple[str, str], Image]:
    """Fetch what the target needs and this machine lacks, where that is more than one image; (reference, platform) →
    image. What fails is left out: it is asked for again where it stands in the file, and fails there with its place.
    """
    if sum(node.keyword.upper() == "FROM" or "from=" in node.original.lower() for node in dockerfile.nodes) < 2:
        return {}
    from teul.build.dockerfile.base_images import base_images

    wanted = [
        (reference, platform)
        for reference, platform in base_images(dockerfile, lowering)
        if options.pull or not _is_here(engine, reference, platform)
    ]
    if len(wanted) < 2:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    from teul.engine import Engine as Opened
    from teul.engine.images import ensure
    from teul.errors import Cancelled, TeulError

    def fetch(item: tuple[str, Platform]) -> Image | None:
        own = Opened.open(engine.settings)  # a connection to the database belongs to one thread
        try:
            return ensure(
                own, item[0], platform=str(item[1]), pull="always" if options.pull else "missing", events=events
            )
        except Cancelled:
            raise
        except TeulError:
            return None
        finally:
            own.close()

    with ThreadPoolExecutor(FETCHES, thread_name_prefix="teul-bases") as pool:
        made = list(pool.map(fetch, wanted))
    return {
        (reference, str(platform)): image
        for (reference, platform), image in zip(wanted, made, strict=True)
        if image is not None
    }


def _is_here(engine: Engine, reference: str, platform: Platform) -> bool:
    found = engine.images.find(reference)
    return found is not None and platform.accepts(found.config.platform)


def find_base(
    engine: Engine,
    reference: str,
    platform: Platform,
    *,
    known: Mapping[tuple[str, str], Image],
    pull: bool,
    events: Sink,
    lock: BuildLock,
) -> BaseImage:
    """The image that *reference* names: the one of the *lock*, one of *known* (see `fetch_together`), of this machine,
    or fetched; `oci-layout://…` is loaded from there.

    Raises:
        ImageNotFound, RegistryUnavailable, PlatformMismatch, …: it cannot be had.
    """
    if reference.startswith("oci-layout://"):
        found = _from_layout(engine, reference.removeprefix("oci-layout://"), platform, events)
        return BaseImage(id=found.id, config=found.config, reference=reference)
    fetched = known.get((reference, str(platform)))
    if fetched is not None:
        lock.use(reference, platform, fetched)
        return BaseImage(id=fetched.id, config=fetched.config, reference=reference)
    here = None if pull else engine.images.find(reference)
    locked = lock.base(engine, reference, platform, here)
    if locked is not None:
        lock.use(reference, platform, locked)
        return BaseImage(id=locked.id, config=locked.config, reference=reference)
    if here is not None and platform.accepts(here.config.platform):
        lock.use(reference, platform, here)
        return BaseImage(id=here.id, config=here.config, reference=reference)
    from teul.engine.images import ensure

    try:
        found = ensure(
            engine,
            reference,
            platform=str(platform),
            pull="always" if pull else "never" if lock.options.is_offline else "missing",
            events=events,
        )
    except (NotFound, Unavailable) as error:
        if here is None:
            raise
        raise PlatformMismatch(reference, str(platform), str(here.config.platform)) from error
    lock.use(reference, platform, found)
    return BaseImage(id=found.id, config=found.config, reference=reference)


def _from_layout(engine: Engine, place: str, platform: Platform, events: Sink) -> Image:
    """The image of an OCI layout, `PATH[:TAG][@DIGEST]`; it is loaded with the names that it has there.

    Raises:
        ImageNotFound: none for that platform, tag or digest.
    """
    from teul.engine.images import load

    path, _, digest = place.partition("@")
    head, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:
        head, tag = path, ""
    if not os.path.isdir(head):
        raise InvalidInput(text("no OCI layout at `{path}`", path=head))
    for image in load(engine, os.path.abspath(head), events=events):
        is_wanted = not tag or any(name.tag == tag for name in image.names)
        is_named = not digest or digest in (image.id, image.manifest)
        if is_wanted and is_named and platform.accepts(image.config.platform):
            return image
    raise ImageNotFound(f"oci-layout://{place}")
