"""Where the bytes of artifacts are: among the blobs of images in the state folder, or in a folder that servers share.

In the state folder an artifact that is the same bytes as a layer's blob, a wheel or another artifact is one file, and
the engine's gc sweeps them all (`artifact_roots`). A folder that several machines mount is a content store by itself; so
is an artifacts folder of old that lies on another disk than the state folder. There `artifacts.collect` sweeps.
"""

from __future__ import annotations

import os

from teul.config import Settings
from teul.content import LocalStore
from teul.host.fs import FolderLock, crash_point, fsync_folder, remove_tree
from teul.ml.tracking import artifact_roots
from teul.ml.tracking.artifact_roots import ArtifactRoots
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from teul.ml.tracking.artifact_roots import Hold

MARK = "tracking-store"
"""In a folder of artifacts: the id of the store that they belong to."""


class ArtifactContent(LocalStore):
    """A content store whose commits the engine's gc hears of first; *roots* is None for a folder of its own."""

    def __init__(self, root: str, roots: ArtifactRoots | None) -> None:
        super().__init__(root, before_commit=roots.add if roots else None)
        self.roots = roots

    def upload(self) -> Upload:
        """What is committed to it stays at least until the block ends; by then it has a name or is garbage."""
        return Upload(self.root, self.roots)

    def keep(self, digest: Digest) -> bool:
        """Whether content is here, and stays here; for a caller inside `Database.write` that then gives it a name."""
        if self.roots is not None:
            self.roots.add(digest)
        return self.has(digest)

    def tidy(self) -> None:
        """End what idle uploads hold; a server calls this now and then."""
        if self.roots is not None:
            self.roots.tidy()

    def close(self) -> None:
        if self.roots is not None:
            self.roots.close()


class Upload(LocalStore):
    """The same content for the time of one upload; it is in a lease from the first commit on, when there is something."""

    def __init__(self, root: str, roots: ArtifactRoots | None) -> None:
        super().__init__(root, before_commit=self._hold if roots else None)
        self._roots = roots
        self._held: Hold | None = None

    def _hold(self, digest: Digest) -> None:
        assert self._roots is not None
        self._held = self._roots.hold(digest, self._held)

    def __enter__(self) -> Upload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._roots is not None and self._held is not None:
            self._roots.let_go(self._held)


def is_apart(root: str) -> bool:
    """Whether the artifacts folder that an older teul made is on another disk, so that nothing can be moved out of it."""
    try:
        return os.stat(f"{root}/artifacts/blobs/sha256").st_dev != os.stat(_made(root)).st_dev
    except FileNotFoundError:
        return False


def _made(root: str) -> str:
    blobs = f"{Settings(root, '').layout}/blobs"
    return blobs if os.path.exists(blobs) else root


def move_in(root: str, content: ArtifactContent, store: str) -> None:
    """Move what an older teul kept in `<root>/artifacts` among the blobs; the folder is gone afterwards.

    A crash leaves each blob in one place or the other, and the next store that is opened goes on. Nothing is swept
    meanwhile: our list comes first, and for a database file that has artifacts there too, a file says that its list is
    still to come. A folder that another store has put its mark on stays as it is; ours get a second name.
    """
    old = f"{root}/artifacts"
    assert content.roots is not None
    try:
        lock = FolderLock.take(old)
        os.stat(f"{old}/blobs/sha256")
        is_others = read_mark(old) not in ("", store)
    except FileNotFoundError:
        return
    assert lock is not None
    with lock:
        if is_others and artifact_roots.is_marked(root, store):
            return
        local = os.path.basename(Settings(root, "").tracking_database)
        if store != local and os.path.exists(f"{root}/{local}") and not artifact_roots.is_marked(root, local):
            artifact_roots.announce(root, local, local)
        content.make()
        if is_others:
            for digest in sorted(content.roots.named()):
                _link(f"{old}/blobs/sha256/{Digest(digest).hex}", f"{content.root}/blobs/sha256/{Digest(digest).hex}")
            content.roots.reconcile()
            return
        content.roots.reconcile()
        crash_point("artifacts-listed")
        blobs = f"{content.root}/blobs/sha256"
        for name in os.listdir(f"{old}/blobs/sha256"):
            if not os.path.exists(f"{blobs}/{name}"):
                os.rename(f"{old}/blobs/sha256/{name}", f"{blobs}/{name}")
                crash_point("artifact-moved")
        fsync_folder(blobs)
        crash_point("artifacts-moved")
        remove_tree(old)
        fsync_folder(root)
        crash_point("artifacts-gone")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except (FileExistsError, FileNotFoundError):
        pass
    else:
        fsync_folder(os.path.dirname(target))


def read_mark(folder: str) -> str:
    """The id of the store whose artifacts a folder holds, or ""."""
    try:
        with open(f"{folder}/{MARK}") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
