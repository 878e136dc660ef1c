"""A tree that files are copied from: a context folder without what `.dockerignore` excludes, or a mounted stage.

Read in place, never copied. No path leads out of the root: links are followed inside it only.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from posixpath import normpath

from teul.build.dockerignore import IgnoreMatcher, Pattern, component_regex, has_wildcards, unescaped
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Signature = tuple[int, int, int, int, int]

LINK_LIMIT = 40
PARTS_LIMIT = 200
"""At most this many files are named one by one in a key; more are summed up by folder."""
REMEMBERED_BYTES = 64 << 10
"""The digest of a file from this size on is remembered with its stat."""
REMEMBERED_FILES = 500
"""Where a COPY takes more files than this, all of them are."""
SETTLED_NS = 20_000_000
"""A file changed less than this ago may change again within one tick of the clock; its digest is not remembered."""


class Entry:
    """A file, folder or link: its path relative to the root ("" is the root), and what `lstat` says."""

    __slots__ = ("path", "status")

    def __init__(self, path: str, status: os.stat_result) -> None:
        self.path = path
        self.status = status

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.status.st_mode)


def signature(status: os.stat_result) -> Signature:
    """What is the same as long as nobody wrote to the file."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Tree:
    """Files below *root* (an absolute path); *ignore* hides some of them."""

    def __init__(self, root: str, ignore: IgnoreMatcher | None = None, *, owners: bool = False, umask: int = 0) -> None:
        """*owners*: who a file belongs to counts (a stage's tree; the files of a context become root's).

        *umask*: mode bits that a copy does not take; see `mode_of`.
        """
        self.root = root
        self.name = root
        """What messages call it: a folder that was made for a tar or a repository is gone when they are read."""
        self.ignore = ignore if ignore else None
        self.owners = owners
        self.umask = umask
        self.known: Mapping[str, tuple[Signature, str]] = {}
        """Digests from before, by absolute path."""
        self.learned: dict[str, tuple[Signature, str]] = {}
        self.seen: dict[str, Signature] = {}
        """What files were like when their content was looked at, by path; a copy of anything else would be another."""

    def absolute(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def mode_of(self, entry: Entry) -> int:
        """The mode that a copy of *entry* has, without the tree's umask.

        A checkout has 0664 for one user and 0644 for another, whose images should not differ for it. Bits are only
        ever taken away; a folder with the sticky bit is open to all on purpose and stays as it is.
        """
        mode = entry.status.st_mode & 0o7777
        return mode if mode & stat.S_ISVTX else mode & ~self.umask

    def resolve(self, path: str) -> str:
        """*path* with all links followed inside the root; components that are missing stay as they are.

        Raises:
            InvalidInput: a loop of links.
        """
        todo = [part for part in normpath("/" + path).split("/") if part]
        made: list[str] = []
        links = 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                if made:
                    made.pop()
                continue
            candidate = "/".join([*made, part])
            try:
                target = os.readlink(self.absolute(candidate))
            except OSError:
                made.append(part)
                continue
            links += 1
            if links > LINK_LIMIT:
                raise InvalidInput(text("path `{path}`: too many levels of symbolic links", path=path))
            if target.startswith("/"):
                made = []
            todo = [piece for piece in target.split("/") if piece not in ("", ".")] + todo
        return "/".join(made)

    def select(self, source: str) -> list[tuple[str, str]]:
        """What a source of COPY means: the name that a copy of it has, and the path with links followed.

        A source without wildcards gives one pair when it exists and is visible; a pattern gives all, sorted.
        """
        parts = [part for part in normpath("/" + source).split("/") if part]
        if not has_wildcards(source):
            plain = [unescaped(part) for part in parts]
            path = self.resolve("/".join(plain))
            return [(plain[-1] if plain else "", path)] if self.is_visible(path) else []
        fixed = 0
        while fixed < len(parts) and not has_wildcards(parts[fixed]):
            fixed += 1
        found = [self.resolve("/".join(unescaped(part) for part in parts[:fixed]))]
        for part in parts[fixed:]:
            regex = component_regex(part)
            above, found = found, []
            for folder in above:
                try:
                    names = sorted(os.listdir(self.absolute(folder)), key=os.fsencode)
                except (NotADirectoryError, FileNotFoundError):
                    continue
                found += [f"{folder}/{name}" if folder else name for name in names if regex.fullmatch(name)]
        resolved = [(path.rpartition("/")[2], self.resolve(path)) for path in found]
        return [(name, path) for name, path in resolved if self.is_visible(path)]

    def select_parents(self, source: str) -> list[tuple[str, str]]:
        """As `select` for `COPY --parents`: where the path that is kept begins, and the whole path; `**` crosses folders.

        A `/./` in the source says where the kept path begins; without one it is the root.
        """
        above, pivot, rest = source.partition("/./")
        if not pivot or above in (".", ""):
            above, rest = "", source
        made: list[tuple[str, str]] = []
        for _, folder in self.select(above) if above else [("", "")]:
            pattern = normpath("/" + rest).lstrip("/")
            if not has_wildcards(pattern):
                path = f"{folder}/{pattern}" if folder and pattern else folder or pattern
                made += [(folder, path)] if self.is_visible(path) else []
                continue
            matcher = Pattern(pattern)
            prefix = len(folder) + 1 if folder else 0
            taken = ""
            for entry in self.walk(folder):
                if taken and entry.path.startswith(taken + "/"):
                    continue
                if entry.path != folder and matcher.matches(entry.path[prefix:]):
                    taken = entry.path
                    made.append((folder, entry.path))
        return made

    def is_visible(self, path: str) -> bool:
        """Whether *path* (resolved) is there, and not hidden; a hidden folder that holds something visible is."""
        if not os.path.lexists(self.absolute(path)):
            return False
        if self.ignore is None or not path or not self.ignore.is_ignored(path):
            return True
        return any(True for entry in self.walk(path) if entry.path != path)

    def why_missing(self, source: str) -> str:
        """The pattern that hides a source that could not be found, "" when none does."""
        if self.ignore is None or has_wildcards(source):
            return ""
        path = self.resolve(source)
        return self.ignore.which(path) if path and os.path.lexists(self.absolute(path)) else ""

    def walk(self, path: str) -> Iterator[Entry]:
        """*path* and all that is visible below it, a folder before what is in it, names in the order of their bytes.

        A hidden folder comes only when something in it is visible.
        """
        try:
            status = os.lstat(self.absolute(path))
        except FileNotFoundError:
            return
        above: tuple[bool, ...] = ()
        ignored = False
        if self.ignore is not None and path:
            parts = path.split("/")
            for length in range(1, len(parts) + 1):
                ignored, above = self.ignore.step("/".join(parts[:length]), above)
        yield from self._walk(Entry(path, status), ignored, above)

    def _walk(self, top: Entry, ignored: bool, above: tuple[bool, ...]) -> Iterator[Entry]:
        if not top.is_folder:
            if not ignored and not stat.S_ISSOCK(top.status.st_mode):
                yield top
            return
        if ignored and not self._has_exceptions(top.path):
            return
        if not ignored:
            yield top
        # The stack is our own: a folder may be nested deeper than Python recurses. `waiting` has, for each open
        # folder, the hidden one that is given as soon as something visible is found in it.
        waiting: list[Entry | None] = [top if ignored else None]
        levels = [(iter(self._children(top)), above)]
        while levels:
            children, above = levels[-1]
            entry = next(children, None)
            if entry is None:
                levels.pop()
                waiting.pop()
                continue
            ignored = False
            inner: tuple[bool, ...] = ()
            if self.ignore is not None:
                ignored, inner = self.ignore.step(entry.path, above)
            if ignored:
                if entry.is_folder and self._has_exceptions(entry.path):
                    levels.append((iter(self._children(entry)), inner))
                    waiting.append(entry)
                continue
            if stat.S_ISSOCK(entry.status.st_mode):
                continue
            for number, hidden in enumerate(waiting):
                if hidden is not None:
                    yield hidden
                    waiting[number] = None
            yield entry
            if entry.is_folder:
                levels.append((iter(self._children(entry)), inner))
                waiting.append(None)

    def _has_exceptions(self, folder: str) -> bool:
        return self.ignore is not None and self.ignore.may_hold_exceptions(folder)

    def _children(self, folder: Entry) -> list[Entry]:
        prefix = f"{folder.path}/" if folder.path else ""
        try:
            with os.scandir(self.absolute(folder.path)) as found:
                children = [(os.fsencode(entry.name), entry) for entry in found]
        except PermissionError as error:
            raise unreadable(folder.path, error) from error
        children.sort(key=lambda child: child[0])
        made: list[Entry] = []
        for _, child in children:
            try:
                made.append(Entry(prefix + child.name, child.stat(follow_symlinks=False)))
            except FileNotFoundError:
                continue  # it went away while we looked
        return made

    def digest_of_file(self, entry: Entry, *, remember: bool = False) -> str:
        """The sha256 of a file's bytes (hexadecimal), from memory when its stat is as it was.

        Raises:
            InvalidInput: it cannot be read.
        """
        path = self.absolute(entry.path)
        now = self.seen[entry.path] = signature(entry.status)
        known = self.known.get(path) or self.learned.get(path)
        if known is not None and known[0] == now:
            return known[1]
        try:
            with open(path, "rb", buffering=0) as file:
                made = hashlib.file_digest(file, "sha256").hexdigest()
        except PermissionError as error:
            raise unreadable(entry.path, error) from error
        if (remember or entry.status.st_size >= REMEMBERED_BYTES) and (
            time.time_ns() - entry.status.st_ctime_ns > SETTLED_NS
        ):
            self.learned[path] = (now, made)
        return made

    def digest_of(self, entry: Entry, *, remember: bool = False) -> str:
        """One line that says all that a copy of *entry* takes from it: kind, mode, content; never a time."""
        status = entry.status
        mode = f"{stat.S_IFMT(status.st_mode) >> 12:x}{0o777 if entry.is_link else self.mode_of(entry):04o}"
        owner = f" {status.st_uid}:{status.st_gid}" if self.owners else ""
        if entry.is_file:
            return f"{mode}{owner} {self.digest_of_file(entry, remember=remember)}"
        if entry.is_link:
            return f"{mode[0]}{owner} {os.readlink(self.absolute(entry.path))}"
        if entry.is_folder:
            return mode + owner
        return f"{mode}{owner} {status.st_rdev}"

    def inspect(self, paths: list[str], hidden: Callable[[str], bool] | None = None) -> dict[str, str]:
        """The parts of a key: what is at *paths* and below, by name; *hidden* leaves more of it out.

        Up to `PARTS_LIMIT` files are named one by one; of more, each folder is one part, with its digest.
        """
        entries = [
            entry
            for path in paths
            for entry in self.walk(path)
            if hidden is None or not hidden(inner_path(path, entry))
        ]
        remember = len(entries) > REMEMBERED_FILES
        lines = [(entry.path or ".", self.digest_of(entry, remember=remember)) for entry in entries]
        if len(lines) <= PARTS_LIMIT:
            return {f"file {shown(path)}": line for path, line in lines}
        depth = min(path.count("/") for path, _ in lines) + 1
        for level in (depth + 1, depth, 0):
            groups: dict[str, hashlib._Hash] = {}
            for path, line in lines:
                group = "/".join(path.split("/")[:level]) or "."
                groups.setdefault(group, hashlib.sha256()).update(
                    os.fsencode(path) + b"\0" + line.encode("utf-8", "surrogateescape") + b"\n"
                )
            if len(groups) <= PARTS_LIMIT:
                break
        return {f"files {shown(group)}": digest.hexdigest() for group, digest in groups.items()}


def inner_path(top: str, entry: Entry) -> str:
    """What `--exclude` is matched with: the path inside the folder that is copied, or the name of a file that is."""
    if entry.path != top:
        return entry.path[len(top) + 1 if top else 0 :]
    return "." if entry.is_folder else entry.path.rpartition("/")[2]


def shown(path: str) -> str:
    """*path* with bytes that are no UTF-8 written out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def unreadable(path: str, error: OSError) -> InvalidInput:
    return InvalidInput(
        text("cannot read `{path}`: {problem}", path=shown(path) or ".", problem=error.strerror or error),
        hint=text("exclude it in .dockerignore, or make it readable"),
    )
