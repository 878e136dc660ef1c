"""ADD from URLs and repositories, as the worker needs it: the digests for a key, then the files into a tree."""

from __future__ import annotations

import os
import threading

from teul.build.sources import GitSource, HttpSource
from teul.events import Step, silent
from teul.oci.digest import Digest
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teul.build import ops
    from teul.build.copying import Copier
    from teul.build.fetching import Fetched, Fetcher
    from teul.build.git import GitAccess
    from teul.events import Sink

CHUNK_BYTES = 1 << 20


class RemoteSources:
    """What one build fetches; safe for threads. A ref is looked up once, so that a build sees one state of it."""

    def __init__(self, fetcher: Fetcher, access: GitAccess, *, events: Sink = silent) -> None:
        self._fetcher = fetcher
        self._access = access
        self._events = events
        self._guard = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._commits: dict[tuple[str, str], str] = {}

    def close(self) -> None:
        self._fetcher.close()

    def abort(self) -> None:
        """End what is being fetched, from another thread; whoever waits for it gets `Cancelled`."""
        self._fetcher.abort()

    def inspect(self, op: ops.Copy, *, content: bool) -> dict[str, str] | None:
        """The parts of a key; None when the network has to be asked and *content* forbids it."""
        made: dict[str, str] = {}
        for remote in op.remotes:
            if isinstance(remote, HttpSource):
                found = self._fetcher.fetch(remote) if content else self._fetcher.known(remote)
                if found is None:
                    return None
                made[f"url {remote.shown}"] = str(found.digest) + ("" if op.normalise else f" {found.mtime_s}")
            else:
                commit = self.commit(remote) if content else self._known_commit(remote)
                if commit is None:
                    return None
                made[f"git {remote.shown}"] = commit
        return made

    def commit(self, source: GitSource) -> str:
        """The commit that *source* means in this build (see `git.resolve`)."""
        from teul.build import git

        key = (source.url, source.ref)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._known_commit(source)
            if known is None:
                known = self._commits[key] = git.resolve(source, self._access)
            return known

    def _known_commit(self, source: GitSource) -> str | None:
        from teul.build.sources import COMMIT

        if COMMIT.fullmatch(source.ref) and source.ref.startswith(source.checksum):
            return source.ref
        return None if source.checksum else self._commits.get((source.url, source.ref))

    def fetch(self, source: HttpSource) -> Fetched:
        return self._fetcher.fetch(source)

    def chunks(self, found: Fetched) -> Iterator[bytes]:
        """The bytes of what was fetched, verified."""
        with self._fetcher.store.open(Digest(found.digest)) as reader:
            while data := reader.read(CHUNK_BYTES):
                yield data

    def place(
        self,
        remote: HttpSource | GitSource,
        op: ops.Copy,
        copier: Copier,
        *,
        folder: str,
        should_stop: Callable[[], bool],
    ) -> None:
        """Put *remote* into the tree that *copier* writes to; *folder* is made for what is only needed meanwhile."""
        from teul.host.fs import remove_tree

        os.makedirs(folder, mode=0o700, exist_ok=True)
        try:
            self._place(remote, op, copier, folder, should_stop)
        finally:
            remove_tree(folder)

    def _place(
        self,
        remote: HttpSource | GitSource,
        op: ops.Copy,
        copier: Copier,
        folder: str,
        should_stop: Callable[[], bool],
    ) -> None:
        if isinstance(remote, GitSource):
            from teul.build.tree import Tree

            tree = Tree(self.checkout(remote, f"{folder}/checkout"))
            copier.place(tree, "", "", op.destination)
            return
        found = self._fetcher.fetch(remote, should_stop=should_stop)
        if op.unpack_remotes and self._unpack(remote, found, op, copier, folder):
            return
        copier.write_chunks(remote.name, self.chunks(found), op.destination, mode=0o600, mtime_ns=found.mtime_s * 10**9)

    def checkout(self, source: GitSource, folder: str) -> str:
        """The files of *source* below *folder*, which is made; the path of the folder that it names.

        Raises: as `git.checkout`.
        """
        from teul.build import git

        step = digest_of(["git", source.shown, folder])
        shown = f"[internal] git {source.shown}"
        self._events(Step(step, shown, "started"))
        try:
            made = git.checkout(source, self.commit(source), folder, self._access)
        except BaseException as error:
            self._events(Step(step, shown, "failed", error=str(error)))
            raise
        self._events(Step(step, shown, "done"))
        return made

    def _unpack(
        self,
        remote: HttpSource,
        found: Fetched,
        op: ops.Copy,
        copier: Copier,
        folder: str,
    ) -> bool:
        """Extract an archive; False when it is none."""
        from teul.build.unpacking import open_archive, unpack

        path = f"{folder}/archive"
        with open(path, "xb") as file:
            for chunk in self.chunks(found):
                file.write(chunk)
        archive = open_archive(path)
        if archive is None:
            return False
        with archive:
            unpack(archive, copier, op.destination)
        return True
