"""The build and its `teul.lock`: which is obeyed, what bases it pins, and what is written in the end."""

from __future__ import annotations

import os
import threading

from teul.build.python.lock import FILENAME, Lock, LockedBase, LockedInstall, read_lock
from teul.errors import LockError, NotFound, Unavailable, text
from teul.events import Warn
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.build.dockerfile.lower import BaseImage
    from teul.engine import Engine
    from teul.engine.build import BuildOptions
    from teul.engine.images.pulling import Resolved
    from teul.events import Sink
    from teul.images import Image
    from teul.oci.descriptor import Platform
    from teul.solver.graph import Vertex
    from teul.solver.solve import Solution


def lock_path(options: BuildOptions) -> str:
    """Beside the Dockerfile; in the context where that has no place; "" where neither stays."""
    if options.lock_path:
        return os.path.abspath(options.lock_path)
    if options.dockerfile_text is not None:
        return "" if options.context_name else f"{os.path.abspath(options.context)}/{FILENAME}"
    if not options.dockerfile:
        return "" if options.context_name else f"{os.path.abspath(options.context)}/{FILENAME}"
    path = options.dockerfile
    if not os.path.isfile(path) and os.path.isfile(f"{options.context}/{path}"):
        path = f"{options.context}/{path}"
    return f"{os.path.dirname(os.path.abspath(path))}/{FILENAME}"


class BuildLock:
    """What one build obeys and learns.

    Raises:
        LockError: the file cannot be read.
        InvalidInput: a date that is none.
    """

    def __init__(self, options: BuildOptions, source: str, events: Sink) -> None:
        self.path = lock_path(options)
        self.options = options
        self.events = events
        self.found = read_lock(self.path) if self.path else None
        from teul.build.python.as_of import as_of_comment, parse_as_of

        word = options.as_of or as_of_comment(source)
        self.as_of = parse_as_of(word) if word else (self.found.as_of if self.found else "")
        # Another day is another question: what was resolved for the old one does not answer it.
        self.obeyed = self.found if self.found is not None and self.found.as_of == self.as_of else None
        self._bases: dict[tuple[str, str], LockedBase] = {}
        self._guard = threading.Lock()

    def base(self, engine: Engine, reference: str, platform: Platform, here: Image | None) -> Image | Resolved | None:
        """The image that the lock says *reference* is, None where it says nothing.

        Raises:
            LockError: it is not to be had.
        """
        locked = self.obeyed.base(reference, str(platform)) if self.obeyed and not self.options.pull else None
        if locked is None or (here is not None and here.id == locked.image):
            return None
        if not locked.manifest and here is not None:
            # Made on some machine, and made anew since: there is no place to have the old one from.
            message = text("`{reference}` is another image than in {path}", reference=reference, path=self.path)
            self.events(Warn("", "base-not-locked", message, None))
            return None
        found: Image | Resolved | None = engine.images.find(Digest(locked.image))
        if found is None and locked.manifest and not self.options.is_offline:
            from teul.engine.images.pulling import resolve
            from teul.oci.reference import Reference

            name = Reference.parse(reference)
            address = f"{name.repository}@{locked.manifest}"
            try:
                found = resolve(engine, address, platform=str(platform), events=self.events)
            except (NotFound, Unavailable) as error:
                raise self._no_base(locked) from error
        if found is None or found.id != locked.image:
            raise self._no_base(locked)
        return found

    def _no_base(self, locked: LockedBase) -> LockError:
        problem = text("base `{reference}`: image {image} is not here", reference=locked.reference, image=locked.image)
        return LockError(
            text("the lock cannot be obeyed: {problem}", problem=problem),
            hint=text("--pull --lock takes the present one"),
        )

    def use(self, reference: str, platform: Platform, image: BaseImage) -> None:
        """Remember which image a FROM came to."""
        made = LockedBase(reference=reference, platform=str(platform), image=image.id, manifest=image.digest)
        with self._guard:
            self._bases[reference, str(platform)] = made

    def learned(self, vertices: list[Vertex], solution: Solution) -> Lock:
        """What the file should say after this build."""
        from teul.build import ops

        installs: dict[tuple[str, str, str, str], LockedInstall] = {}
        commands: set[str] = set()
        for vertex in vertices:
            if isinstance(vertex.op, ops.Run):
                commands.add(" ".join(vertex.op.args))
                for value in solution.result(vertex).data.get("installs") or ():
                    made = LockedInstall.from_json(value)
                    installs[made.command, made.wants, made.python, made.platform] = made
        bases = dict(self._bases)
        targets = {(made.python, made.platform) for made in installs.values()}
        for old in self.obeyed.installs if self.obeyed else ():
            is_other = (old.python, old.platform) not in targets
            if is_other or (self.options.target and old.command not in commands):
                # Of another platform or of a stage that this build did not need.
                installs.setdefault((old.command, old.wants, old.python, old.platform), old)
        platforms = {base.platform for base in bases.values()}
        for base in self.obeyed.bases if self.obeyed else ():
            if base.platform not in platforms or self.options.target:
                bases.setdefault((base.reference, base.platform), base)
        return Lock(
            as_of=self.as_of,
            bases=tuple(sorted(bases.values(), key=lambda base: (base.reference, base.platform))),
            installs=tuple(
                sorted(installs.values(), key=lambda item: (item.command, item.platform, item.python, item.wants))
            ),
        )

    def write(self, lock: Lock) -> bool:
        """Write the file where it says something new; True if so.

        Raises:
            LockError: it cannot be written.
        """
        if not self.path or lock == self.found:
            return False
        from teul.host.fs import write_atomic

        try:
            write_atomic(self.path, str(lock).encode(), 0o644)
            folder = os.stat(os.path.dirname(self.path))
            if os.geteuid() == 0:
                os.chown(self.path, folder.st_uid, folder.st_gid)
        except OSError as error:
            raise LockError(text("lock `{path}`: {problem}", path=self.path, problem=error.strerror)) from error
        return True
