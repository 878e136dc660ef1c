"""The base images of a build: where each comes from, and their layers when something stands on them.

Of an image that is not here a registry's manifest and config are asked for, side by side where there are several; its
layers come when a step has to run on them or the result is made of them, so the base of a stage that is known is never
fetched.
"""

from __future__ import annotations

import os
import threading

from teul.build.dockerfile.lower import BaseImage
from teul.errors import Cancelled, ImageNotFound, InvalidInput, NotFound, PlatformMismatch, TeulError, Unavailable, text
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from teul.build.dockerfile.lower import LowerOptions
    from teul.build.dockerfile.parser import Dockerfile, Node
    from teul.engine import Engine
    from teul.engine.build import BuildOptions
    from teul.engine.build.cache_import import ImportedCache
    from teul.engine.build.locking import BuildLock
    from teul.engine.images.pulling import Resolved
    from teul.events import Sink
    from teul.images import Image
    from teul.oci.descriptor import Platform
    from teul.solver import Task

QUESTIONS = 4


class Bases:
    """The base images of one build; what brings layers may be called from several threads.

    Args:
        hold: protects a layer from gc while the build lives.
    """

    def __init__(
        self, engine: Engine, options: BuildOptions, lock: BuildLock, hold: Callable[[str, str], None], events: Sink
    ) -> None:
        self._engine = engine
        self._options = options
        self._lock = lock
        self._hold = hold
        self._events = events
        self._asked: Mapping[tuple[str, str], Resolved] = {}
        self._away: dict[tuple[Digest, ...], Resolved] = {}
        """What is not here, by its layers."""
        self._places: dict[str, tuple[str, Node]] = {}
        self._guard = threading.Lock()
        self._locks: dict[tuple[Digest, ...], threading.Lock] = {}
        self._aborts: list[Callable[[], None]] = []
        self._is_aborted = False
        self.imported: ImportedCache | None = None

    # Which image

    def ask_together(self, dockerfile: Dockerfile, lowering: LowerOptions) -> None:
        """Ask for what the target needs and this machine lacks, where that is more than one image. What fails is asked
        for again where it stands in the file, and fails there with its place.
        """
        if sum(node.keyword.upper() == "FROM" or "from=" in node.original.lower() for node in dockerfile.nodes) < 2:
            return
        from teul.build.dockerfile.base_images import base_images

        wanted = [
            (reference, platform)
            for reference, platform in base_images(dockerfile, lowering)
            if self._options.pull or not self._is_here(reference, platform)
        ]
        if len(wanted) < 2:
            return
        from concurrent.futures import ThreadPoolExecutor

        from teul.engine.images import pulling

        def ask(item: tuple[str, Platform]) -> Resolved | None:
            try:
                return pulling.resolve(
                    self._engine, item[0], platform=str(item[1]), events=self._events, on_start=self._started
                )
            except Cancelled:
                raise
            except TeulError:
                return None

        with ThreadPoolExecutor(QUESTIONS, thread_name_prefix="teul-bases") as pool:
            try:
                made = list(pool.map(ask, wanted))
            except BaseException:
                self.abort()
                raise
        self._asked = {
            (reference, str(platform)): resolved
            for (reference, platform), resolved in zip(wanted, made, strict=True)
            if resolved is not None
        }

    def _is_here(self, reference: str, platform: Platform) -> bool:
        try:
            found = self._engine.images.find(reference)
        except InvalidInput:
            return True  # it is asked for again where it stands in the file, and fails there
        return found is not None and platform.accepts(found.config.platform)

    def find(self, reference: str, platform: Platform) -> BaseImage:
        """The image that *reference* names: the one of the lock, of this machine, or of a registry; `oci-layout://…` is
        loaded from there.

        Raises:
            ImageNotFound, RegistryUnavailable, PlatformMismatch, …: it cannot be had.
        """
        if reference.startswith("oci-layout://"):
            found = _from_layout(self._engine, reference.removeprefix("oci-layout://"), platform, self._events)
            return BaseImage(id=found.id, config=found.config, reference=reference)
        made = self._base(reference, self._find(reference, platform))
        self._lock.use(reference, platform, made)
        return made

    def _find(self, reference: str, platform: Platform) -> Image | Resolved:
        options = self._options
        asked = self._asked.get((reference, str(platform)))
        if asked is not None:
            return asked
        here = None if options.pull else self._engine.images.find(reference)
        locked = self._lock.base(self._engine, reference, platform, here)
        if locked is not None:
            return locked
        if here is not None and platform.accepts(here.config.platform):
            return here
        if options.is_offline and not options.pull:
            if here is None:
                raise ImageNotFound(reference)
            raise PlatformMismatch(reference, str(platform), str(here.config.platform))
        from teul.engine.images import pulling

        try:
            return pulling.resolve(self._engine, reference, platform=str(platform), events=self._events)
        except (NotFound, Unavailable) as error:
            if here is None:
                raise
            raise PlatformMismatch(reference, str(platform), str(here.config.platform)) from error

    def _base(self, reference: str, found: Image | Resolved) -> BaseImage:
        from teul.images import Image
        from teul.oci.image import ImageConfig

        if isinstance(found, Image):
            digest = found.repo_digests[0].rpartition("@")[2] if found.repo_digests else ""
            return BaseImage(id=found.id, config=found.config, reference=reference, digest=digest)
        config = ImageConfig.parse(found.config)
        if self._engine.snapshots.has(config.diff_ids):
            # Nothing has to be fetched for it; its name and its digest are noted.
            from teul.engine import images

            images.bring(self._engine, found, events=self._events)
        else:
            self._away[config.diff_ids] = found
        return BaseImage(id=found.id, config=config, reference=reference, digest=found.top)

    # Its layers

    def say_places(self, bases: Sequence[tuple[BaseImage, Node]]) -> None:
        """Where in the file each stands, for errors."""
        self._places = {base.id: (base.reference, node) for base, node in bases}

    def can_bring(self, diff_ids: Sequence[Digest]) -> bool:
        """Whether each layer of a stack is here, one of a base image that is away, or in an imported cache."""
        away = self._below(diff_ids)
        if away is None:
            return self.imported is not None and self.imported.can_bring(diff_ids)
        has = self._engine.snapshots.has
        return all(has((item,)) or self._is_imported(item) for item in diff_ids[len(away) :])

    def _is_imported(self, diff_id: Digest) -> bool:
        return self.imported is not None and self.imported.offers(diff_id)

    def bring_mount(self, name: str, folder: str) -> bool:
        """Fill the empty *folder* with a cache mount of an imported cache; False leaves it empty."""
        return self.imported is not None and self.imported.bring_mount(name, folder)

    def _below(self, diff_ids: Sequence[Digest]) -> tuple[Digest, ...] | None:
        """The layers of the base image that a stack begins with, where that image is away."""
        stack = tuple(diff_ids)
        found = [layers for layers in self._away if stack[: len(layers)] == layers]
        longest = max(found, key=len, default=())
        return longest if longest and not self._engine.snapshots.has(longest) else None

    def bring(self, diff_ids: Sequence[Digest], task: Task) -> bool:
        """Get a stack of layers; False when those above the base image are not to be had.

        Raises:
            RegistryUnavailable, Corrupt, …: the base image, with the place of its FROM.
        """
        for diff_id in diff_ids:
            self._hold("layer", diff_id)
        away = self._below(diff_ids)
        if away is not None:
            self._pull(away, task)
        if self._engine.snapshots.has(diff_ids):
            return True
        return self.imported is not None and self.imported.can_bring(diff_ids) and self.imported.bring(diff_ids, task)

    def _pull(self, layers: tuple[Digest, ...], task: Task) -> None:
        from teul.engine import Engine, images

        resolved = self._away[layers]
        with self._guard:
            lock = self._locks.setdefault(layers, threading.Lock())
        with lock:
            if self._engine.snapshots.has(layers):
                return
            own = Engine.open(self._engine.settings)  # a connection to the database belongs to one thread
            try:
                images.bring(own, resolved, events=task.events, on_start=self._started)
            except TeulError as error:
                place = self._places.get(resolved.id)
                if error.span is None and place is not None:
                    error.span = place[1].span(place[0])
                raise
            finally:
                own.close()

    def _started(self, abort: Callable[[], None]) -> None:
        with self._guard:
            self._aborts.append(abort)
            is_late = self._is_aborted
        if is_late:
            abort()

    def abort(self) -> None:
        """End all transfers, from another thread."""
        with self._guard:
            self._is_aborted = True
            aborts = list(self._aborts)
        for abort in aborts:
            abort()
        if self.imported is not None:
            self.imported.abort()


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
