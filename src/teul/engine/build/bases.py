"""Base images of several stages, fetched side by side."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.build.dockerfile.lower import LowerOptions
    from teul.build.dockerfile.parser import Dockerfile
    from teul.engine import Engine
    from teul.engine.build import BuildOptions
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
