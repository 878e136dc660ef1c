"""The artifact tree: a path (`<experiment>/<run>/artifacts/…`) points at content; equal files are stored once.

Content lies among the blobs of images (`artifact_content`), from where the engine's gc takes what `collect` lets go. An
upload is bytes first, row second: a server that dies in between leaves what gc removes, and no name that points at
nothing.

A path is relative, of names that are neither empty nor `.` nor `..`, without NUL, backslash or `#`; anything else is
refused, encoded or not. A name is a file or a folder, never both.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from urllib.parse import unquote

from teul.config import Settings
from teul.content import Reader, Store, Writer
from teul.errors import ArtifactNotFound, TeulError, TrackingInvalid, TrackingNotFound, Unavailable, Unsupported, text
from teul.host.fs import write_atomic
from teul.ml.tracking.artifact_content import MARK, ArtifactContent, Upload, is_apart, move_in, read_mark
from teul.ml.tracking.artifact_roots import ArtifactRoots, is_marked
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database
from teul.ml.tracking.values import FileInfo
from teul.oci.digest import Digest

MAX_PATH = 4096
UPLOAD_LIFE_MS = 24 * 3600 * 1000
GRACE_S = 60.0
_BAD = re.compile(r"[\0\\#]")
_DRIVE = re.compile(r"[A-Za-z]:")


def open_content(db: Database, root: str, folder: str) -> ArtifactContent:
    """Where this database's artifacts are: in *folder*, or among the blobs of the state folder *root*.

    Raises:
        Unsupported: they are in another folder.
    """
    if not folder and is_apart(root):
        folder = f"{root}/artifacts"
    if folder:
        if db.is_shared:
            bind_folder(db, folder)
        return ArtifactContent(folder, None)
    name = bind_state(db, root) if db.is_shared else os.path.basename(db.path)
    roots = ArtifactRoots(root, name, db.path, db.write, lambda: set(digests(db)))
    content = ArtifactContent(Settings(root, "").layout, roots)
    try:
        move_in(root, content, name)
    except BaseException:
        roots.close()
        raise
    return content


def bind_folder(db: Database, root: str) -> None:
    """Make sure that *root* is the folder in which this database's artifacts are kept: both bear the same mark.

    A database on a server may be opened from anywhere, and a file that is named here but kept elsewhere is as good as
    lost. The first to open it makes the mark; so does the next one while the store has no artifacts yet.

    Raises:
        Unsupported: the folder has another mark, or none.
    """
    os.makedirs(root, mode=0o711, exist_ok=True)
    wanted = mark_of(db)
    if wanted and read_mark(root) == wanted:
        return
    with db.write():
        wanted, found = mark_of(db), read_mark(root)
        if wanted and found == wanted:
            return
        if found or (wanted and _has_any(db)):
            raise _elsewhere(root)
        mark = wanted or uuid.uuid4().hex
        write_atomic(f"{root}/{MARK}", mark.encode())
        db.execute("UPDATE store SET artifacts = ?", (mark,))


def bind_state(db: Database, root: str) -> str:
    """As `bind_folder`, for artifacts among the blobs of the state folder *root*; returns the store's id.

    Raises:
        Unsupported: the store's artifacts are in another folder.
    """
    wanted = mark_of(db)
    if wanted and (is_marked(root, wanted) or read_mark(f"{root}/artifacts") == wanted):
        return wanted
    with db.write():
        wanted = mark_of(db)
        if not wanted:
            wanted = uuid.uuid4().hex
            db.execute("UPDATE store SET artifacts = ?", (wanted,))
        elif not is_marked(root, wanted) and _has_any(db):
            raise _elsewhere(root)
    return wanted


def _has_any(db: Database) -> bool:
    return db.one("SELECT 1 FROM artifacts LIMIT 1") is not None


def _elsewhere(root: str) -> Unsupported:
    return Unsupported(
        text("folder `{root}` is not where the artifacts of this tracking store are kept", root=root),
        hint=text("mount that folder here and say where: --artifacts, or TEUL_TRACKING_ARTIFACTS"),
    )


def mark_of(db: Database) -> str:
    """The id of a store on a database server, "" before its first artifact."""
    row = db.one("SELECT artifacts FROM store")
    return str(row[0]) if row else ""


def check_path(path: str) -> str:
    """The path with single slashes and none at its end.

    Raises:
        TrackingInvalid: a path that could mean something outside of the tree.
    """
    plain = path
    # Encoded once more than it was sent is still hostile: decode until nothing changes, and judge that.
    while (once := unquote(plain)) != plain:
        plain = once
    for candidate in (path, plain):
        parts = candidate.rstrip("/").split("/")
        if (
            _BAD.search(candidate)
            or candidate.startswith(("/", "file:"))
            or _DRIVE.match(candidate)
            or any(part in ("..", ".") for part in parts)
            or len(candidate) > MAX_PATH
        ):
            raise TrackingInvalid("Invalid path")
    return "/".join(part for part in path.split("/") if part)


def put(db: Database, store: ArtifactContent, path: str, digest: Digest, size_bytes: int) -> None:
    """Give content that is in *store* the name *path*; a file of that name is replaced.

    Raises:
        TrackingInvalid: the path is hostile, is a folder, or goes through a file.
        Unavailable: gc took the content away meanwhile; upload it again.
    """
    path = check_path(path)
    if not path:
        raise TrackingInvalid("Invalid path")
    parents = [path[:index] for index, character in enumerate(path) if character == "/"]
    with db.write():
        if db.one("SELECT 1 FROM artifacts WHERE path > ? AND path < ? LIMIT 1", _below(path)):
            raise TrackingInvalid(f"Invalid path: '{path}' is a folder")
        for parent in parents:
            if db.one("SELECT 1 FROM artifacts WHERE path = ?", (parent,)):
                raise TrackingInvalid(f"Invalid path: '{parent}' is a file")
        if not store.keep(digest):
            raise Unavailable(text("artifact `{path}`: its content is gone; upload it again", path=path))
        db.execute(
            "INSERT INTO artifacts VALUES (?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET digest = excluded.digest,"
            " size_bytes = excluded.size_bytes, created_at = excluded.created_at",
            (path, digest, size_bytes, now_ms()),
        )


def put_bytes(db: Database, store: ArtifactContent, path: str, data: bytes) -> None:
    """Store *data* under *path*."""
    check_path(path)
    with store.upload() as upload:
        put(db, store, path, upload.put(data), len(data))


def put_file(db: Database, store: ArtifactContent, path: str, file: str) -> Digest:
    """Store the file at *file* of this machine under *path*; returns its digest."""
    check_path(path)
    with store.upload() as upload:
        return _put_file(db, store, upload, path, file)


def _put_file(db: Database, store: ArtifactContent, upload: Upload, path: str, file: str) -> Digest:
    with open(file, "rb") as stream, upload.ingest() as writer:
        while data := stream.read(1 << 20):
            writer.write(data)
        info = writer.commit()
    put(db, store, path, info.digest, info.size_bytes)
    return info.digest


def put_tree(db: Database, store: ArtifactContent, path: str, folder: str) -> None:
    """Store every regular file below *folder* below *path*; links and devices are left out."""
    with db.write(), store.upload() as upload:
        for where, folders, names in os.walk(folder):
            folders.sort()
            relative = os.path.relpath(where, folder)
            for name in sorted(names):
                file = f"{where}/{name}"
                if os.path.isfile(file) and not os.path.islink(file):
                    target = "/".join(part for part in (path, *relative.split("/"), name) if part not in ("", "."))
                    _put_file(db, store, upload, check_path(target), file)


def find(db: Database, path: str) -> tuple[Digest, int]:
    """Digest and size of a file. Raises: ArtifactNotFound, TrackingInvalid."""
    path = check_path(path)
    row = db.one("SELECT digest, size_bytes FROM artifacts WHERE path = ?", (path,))
    if row is None:
        raise ArtifactNotFound(path)
    return Digest(row[0]), row[1]


def open_file(db: Database, store: Store, path: str) -> Reader:
    """A verified stream of a file. Raises: ArtifactNotFound, TrackingInvalid."""
    return store.open(find(db, path)[0])


def listing(db: Database, path: str) -> list[FileInfo]:
    """What is directly below the folder *path*, by name; nothing for a file or a folder that is not there."""
    path = check_path(path)
    prefix = f"{path}/" if path else ""
    start = prefix
    made: list[FileInfo] = []
    with db.read():
        while True:
            # Jump from name to name: a folder's contents are skipped, however many they are. After a file comes the
            # least text that is greater; a path has no NUL, and PostgreSQL takes none.
            row = db.one(
                "SELECT path, size_bytes FROM artifacts WHERE path >= ? AND path < ? ORDER BY path LIMIT 1",
                (start, _after(prefix)),
            )
            if row is None:
                return sorted(made, key=lambda info: info.path)
            name, slash, _ = row[0][len(prefix) :].partition("/")
            made.append(FileInfo(name, bool(slash), 0 if slash else row[1]))
            start = _after(f"{prefix}{name}/") if slash else f"{row[0]}\x01"


def walk(db: Database, path: str) -> list[tuple[str, Digest, int]]:
    """All files below *path*: path relative to it, digest, size; by name."""
    path = check_path(path)
    prefix = f"{path}/" if path else ""
    rows = db.all(
        "SELECT path, digest, size_bytes FROM artifacts WHERE path >= ? AND path < ? ORDER BY path",
        (prefix, _after(prefix)),
    )
    return [(row[0][len(prefix) :], Digest(row[1]), row[2]) for row in rows]


def is_anything(db: Database, path: str) -> bool:
    """Whether there is a file or a folder of this name."""
    return bool(
        db.one("SELECT 1 FROM artifacts WHERE path = ?", (path,))
        or db.one("SELECT 1 FROM artifacts WHERE path > ? AND path < ? LIMIT 1", _below(path))
    )


def delete(db: Database, path: str) -> None:
    """Forget a file, or a folder with all that is below it; the content goes with the next `collect`."""
    path = check_path(path)
    if not path:
        raise TrackingInvalid("Invalid path")
    if not forget(db, path):
        raise ArtifactNotFound(path)


def forget(db: Database, path: str) -> int:
    """As `delete`, for what may not be there; how many names went."""
    with db.write():
        one = db.execute("DELETE FROM artifacts WHERE path = ?", (path,)).rowcount
        return one + db.execute("DELETE FROM artifacts WHERE path > ? AND path < ?", _below(path)).rowcount


def begin_upload(db: Database, path: str, parts: int, upload_id: str) -> None:
    """Begin a multipart upload; its parts arrive in any order, several at once."""
    path = check_path(path)
    if not path or not 1 <= parts <= 10_000:
        raise TrackingInvalid(f"Invalid value {parts} for parameter 'num_parts' supplied.")
    with db.write():
        db.execute("INSERT INTO uploads VALUES (?, ?, ?, ?)", (upload_id, path, parts, now_ms()))


def put_part(
    db: Database, store: ArtifactContent, upload_id: str, number: int, digest: Digest, size_bytes: int
) -> None:
    """A part is content already; a part that comes again replaces the first.

    Raises:
        TrackingNotFound: no such upload.
        TrackingInvalid: no such part.
        Unavailable: gc took the content away meanwhile; send it again.
    """
    with db.write():
        row = db.one("SELECT parts, path FROM uploads WHERE id = ?", (upload_id,))
        if row is None:
            raise TrackingNotFound(f"Upload with id={upload_id} not found")
        if not 1 <= number <= row[0]:
            raise TrackingInvalid(f"Invalid value {number} for parameter 'part_number' supplied.")
        if not store.keep(digest):
            raise Unavailable(text("artifact `{path}`: its content is gone; upload it again", path=row[1]))
        db.execute(
            "INSERT INTO upload_parts VALUES (?, ?, ?, ?) ON CONFLICT (upload, number) DO UPDATE SET"
            " digest = excluded.digest, size_bytes = excluded.size_bytes",
            (upload_id, number, digest, size_bytes),
        )


def finish_upload(db: Database, store: ArtifactContent, path: str, upload_id: str) -> None:
    """Join the parts into one file.

    Raises:
        TrackingNotFound: no such upload.
        TrackingInvalid: another path, or a part is missing.
    """
    with db.read():
        row = db.one("SELECT path, parts FROM uploads WHERE id = ?", (upload_id,))
        parts = db.all("SELECT number, digest FROM upload_parts WHERE upload = ? ORDER BY number", (upload_id,))
    if row is None:
        raise TrackingNotFound(f"Upload with id={upload_id} not found")
    if row[0] != check_path(path):
        raise TrackingInvalid("Invalid path")
    missing = sorted(set(range(1, row[1] + 1)) - {number for number, _ in parts})
    if missing:
        raise TrackingInvalid(f"Upload with id={upload_id} lacks the parts {missing[:10]}")
    with store.upload() as upload:
        with upload.ingest() as writer:
            for _, digest in parts:
                _copy(store.open(Digest(digest)), writer)
            info = writer.commit()
        with db.write():
            put(db, store, path, info.digest, info.size_bytes)
            abort_upload(db, upload_id)


def abort_upload(db: Database, upload_id: str) -> None:
    """Forget an upload. Idempotent."""
    with db.write():
        db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))


def abort_uploads(db: Database, path: str) -> None:
    """Forget the uploads of *path* and of what is below it."""
    with db.write():
        db.execute("DELETE FROM uploads WHERE path = ? OR path > ? AND path < ?", (path, *_below(path)))


def digests(db: Database) -> Iterator[Digest]:
    """All content that has a name, or is a part of an upload in flight."""
    for (digest,) in db.all("SELECT digest FROM artifacts UNION SELECT digest FROM upload_parts"):
        yield Digest(digest)


def collect(db: Database, store: ArtifactContent, *, grace_s: float = GRACE_S) -> tuple[int, int]:
    """Let go of content that nothing names, and of uploads older than a day; returns how many blobs, and bytes freed.

    Among the blobs of images nothing is freed here: the engine's gc takes what was let go and no image needs either.
    In a folder of its own, marks and sweeps inside one write transaction, so no name is given meanwhile; content that
    came within *grace_s* seconds stays, because its name may be about to be given (`put` looks again anyway).
    """
    count = 0
    with db.write():
        db.execute("DELETE FROM uploads WHERE created_at < ?", (now_ms() - UPLOAD_LIFE_MS,))
        if store.roots is not None:
            return len(store.roots.reconcile()), 0
        marked = set(digests(db))
        before_ns = time.time_ns() - int(grace_s * 1e9)
        size_bytes = store.sweep_ingests()
        for info in list(store.walk()):
            if info.digest not in marked and store.used_ns(info.digest) <= before_ns:
                store.remove(info.digest)
                count += 1
                size_bytes += info.size_bytes
    return count, size_bytes


def check(db: Database, store: ArtifactContent, damaged: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Read every artifact; gives (path, what is wrong) for each one that is not what was stored.

    Args:
        damaged: digest → what is wrong, when all blobs were read just now; those of images are not read again then.
    """
    seen: dict[str, str] = {}
    with db.write() if store.roots is not None else nullcontext():
        # One moment for both databases.
        unlisted = store.roots.unlisted(set(digests(db))) if store.roots is not None else set()
    for path, digest, size_bytes in db.all("SELECT path, digest, size_bytes FROM artifacts ORDER BY path"):
        if digest not in seen:
            if store.roots is not None and damaged is not None:
                seen[digest] = damaged.get(digest) or _fault(store, Digest(digest), size_bytes, is_read=True)
            else:
                seen[digest] = _fault(store, Digest(digest), size_bytes)
            if not seen[digest] and digest in unlisted:
                seen[digest] = "gc does not know that it is needed"
        if seen[digest]:
            yield path, seen[digest]


def _fault(store: Store, digest: Digest, size_bytes: int, *, is_read: bool = False) -> str:
    read = 0
    try:
        if is_read:
            read = store.info(digest).size_bytes
            return "" if read == size_bytes else f"expected {size_bytes} bytes, got {read}"
        with store.open(digest) as reader:
            while data := reader.read(1 << 20):
                read += len(data)
    except TeulError as error:
        return str(error.message)
    return "" if read == size_bytes else f"expected {size_bytes} bytes, got {read}"


def _copy(reader: Reader, writer: Writer) -> None:
    with reader:
        while data := reader.read(1 << 20):
            writer.write(data)


def _below(path: str) -> tuple[str, str]:
    return f"{path}/", f"{path}0"


def _after(prefix: str) -> str:
    """The least string greater than all that begin with *prefix* ("" or one that ends with a slash)."""
    return f"{prefix[:-1]}0" if prefix else "\U0010ffff"
