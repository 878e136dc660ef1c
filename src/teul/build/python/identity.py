"""What a stage's interpreter is made of, as far as it compiles: the program, the libraries that the loader gives it, and
the part of the standard library that is imported before any code of a wheel is read.

Bytecode is kept for every later build with an interpreter of the same identity, whatever image that is in. So the
identity says everything that could make the compiler write something else, and it is read from the tree, never asked of
the interpreter: what may be a forgery would be asked for its own passport. Must not run anything.

What is left out is kept from having a say by how the compiler is started (`ARGUMENTS`, `ENVIRONMENT`): bytecode of the
standard library itself, `site`, the folder it starts in, locales and their converters.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct

from teul.errors import NoInterpreter, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from teul.build.tree import Tree

ARGUMENTS = ("-S", "-s", "-B", "-X", "pycache_prefix=/dev/.teul/none")
ENVIRONMENT = ("LC_ALL=C",)
"""The C locale is built in; any other is read from files, and may name converters that are loaded."""
PACKAGES = ("encodings", "importlib", "collections", "re", "lib-dynload", "zipfile")
"""Folders of the standard library that are imported from while compiling; of the others nothing is."""
LIBRARY_FOLDERS = ("lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64")
LIBRARY_LIMIT = 400
FILE_LIMIT_BYTES = 512 << 20
PT_DYNAMIC, PT_LOAD, PT_INTERP = 2, 1, 3
DT_NEEDED, DT_STRTAB, DT_RPATH, DT_RUNPATH = 1, 5, 15, 29
CACHE_MAGIC = b"glibc-ld.so.cache1.1"


def identity_of(tree: Tree, path: str, version: Sequence[int], env: Mapping[str, str], tops: Iterable[str]) -> str:
    """The digest of what the Python at *path* compiles with.

    Args:
        version: as it says; a false one has no standard library to go with it.
        env: what it is started with.
        tops: the folders at the top of the tree by whose layers the answer is remembered.

    Raises:
        NoInterpreter: something of it lies elsewhere, or every program is given other libraries first.
    """
    return _Reader(tree, frozenset(tops)).read(path, version, env)


def home_of(tree: Tree, path: str) -> str:
    """Where the `pyvenv.cfg` of the Python at *path* says that the Python it was made from is, "" without one."""
    folder = os.path.dirname(path)
    for place in (folder, os.path.dirname(folder)):
        try:
            with open(tree.absolute(tree.resolve(f"{place}/pyvenv.cfg")), encoding="utf-8", errors="replace") as file:
                lines = file.read(1 << 16).splitlines()
        except (OSError, ValueError):
            continue
        for line in lines:
            key, equals, value = line.partition("=")
            if equals and key.strip().lower() == "home" and value.strip().startswith("/"):
                return value.strip()
        return ""
    return ""


class _Reader:
    def __init__(self, tree: Tree, tops: frozenset[str]) -> None:
        self.tree = tree
        self.tops = tops
        self.found: dict[str, str] = {}
        """Path as it is looked for → the digest of what is there."""
        self._digests: dict[str, str] = {}
        self._listed: dict[str, list[tuple[str, str]]] = {}
        self._sets: dict[str, set[str]] = {}

    def read(self, path: str, version: Sequence[int], env: Mapping[str, str]) -> str:
        for part in self._lines("/etc/ld.so.preload"):
            raise NoInterpreter(text("`/etc/ld.so.preload` loads `{path}` into every program", path=part))
        real = "/" + self.tree.resolve(path)
        home = home_of(self.tree, path)
        self.found["home"] = home
        self._take(path)
        self._libraries(real, env)
        starts = {os.path.dirname(path), os.path.dirname(real), *([home] if home else [])}
        prefixes = {"/usr", "/usr/local"}
        for start in sorted(starts):
            for name in ("pybuilddir.txt", "Modules/Setup.local"):  # as in the folder where Python itself is built
                if self._content(f"{start}/{name}"):
                    raise NoInterpreter(
                        text("`{path}` of the Python leads to `{place}`", path=path, place=f"{start}/{name}")
                    )
            while start != "/":
                prefixes.add(start)
                start = os.path.dirname(start)
            prefixes.add("")
        name = f"python{version[0]}.{version[1]}"
        for prefix in sorted(prefixes):
            for folder in ("lib", "lib64"):
                self._take(f"{prefix}/{folder}/python{version[0]}{version[1]}.zip")
                self._standard_library(f"{prefix}/{folder}/{name}")
                self._standard_library(f"{prefix}/{folder}/{name}t")
        total = hashlib.sha256()
        for place, digest in sorted(self.found.items()):
            total.update(f"{place}\0{digest}\n".encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def _standard_library(self, folder: str) -> None:
        for name, kind in self._entries(folder):
            if kind == "folder" and name in PACKAGES:
                for inner, _ in self._entries(f"{folder}/{name}"):
                    self._take(f"{folder}/{name}/{inner}")
            elif kind == "folder" and f"{name}.py" in self._names(folder):
                # It would be imported in place of the module.
                self.found[f"{folder}/{name}"] = "a folder"
            elif kind != "folder":
                self._take(f"{folder}/{name}")

    def _libraries(self, program: str, env: Mapping[str, str]) -> None:
        """The loader, and whatever file could be a library that it looks for, wherever it may look."""
        listed = _cached_libraries(self._content("/etc/ld.so.cache"))
        folders = [f"/{folder}" for folder in LIBRARY_FOLDERS]
        folders += [part for part in env.get("LD_LIBRARY_PATH", "").split(":") if part.startswith("/")]
        for name in self._names("/etc"):
            if name.startswith("ld-musl-") and name.endswith(".path"):
                folders += self._lines(f"/etc/{name}")
        todo = [program]
        seen: set[str] = set()
        while todo:
            place = todo.pop()
            if place in seen or len(seen) > LIBRARY_LIMIT:
                continue
            seen.add(place)
            wanted, own = _needs(self._content(place))
            origin = os.path.dirname("/" + self.tree.resolve(place))
            own = [folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for folder in own]
            folders += [folder for folder in own if folder.startswith("/") and folder not in folders]
            for name in wanted:
                places = [name] if name.startswith("/") else [*listed.get(name, ()), *self._candidates(folders, name)]
                for candidate in places:
                    self._take(candidate)
                    if self.found.get(candidate):
                        todo.append(candidate)

    def _candidates(self, folders: Sequence[str], name: str) -> Iterator[str]:
        """*name* in a folder, or in one that is named after an architecture or a processor."""
        for folder in folders:
            if name in self._names(folder):
                yield f"{folder}/{name}"
            for inner, kind in self._entries(folder):
                if kind != "folder" or inner.startswith(("python", "site-packages")):
                    continue
                if name in self._names(f"{folder}/{inner}"):
                    yield f"{folder}/{inner}/{name}"
                if "-linux-" in inner or inner in ("glibc-hwcaps", "tls"):
                    for last, _ in self._entries(f"{folder}/{inner}"):
                        if name in self._names(f"{folder}/{inner}/{last}"):
                            yield f"{folder}/{inner}/{last}/{name}"
                        if last == "glibc-hwcaps":
                            for level in self._names(f"{folder}/{inner}/{last}"):
                                if name in self._names(f"{folder}/{inner}/{last}/{level}"):
                                    yield f"{folder}/{inner}/{last}/{level}/{name}"

    # The tree

    def _place(self, path: str) -> str:
        real = self.tree.resolve(path)
        if real.partition("/")[0] not in self.tops:
            raise NoInterpreter(text("`{path}` of the Python leads to `{place}`", path=path, place=f"/{real}"))
        return self.tree.absolute(real)

    def _take(self, path: str) -> None:
        if path in self.found:
            return
        try:
            place = self._place(path)
            if not stat.S_ISREG(os.stat(place, follow_symlinks=False).st_mode):
                return
            digest = self._digests.get(place)
            if digest is None:
                with open(place, "rb") as file:
                    digest = self._digests[place] = hashlib.file_digest(file, "sha256").hexdigest()
            self.found[path] = digest
        except (FileNotFoundError, NotADirectoryError):
            return

    def _content(self, path: str) -> bytes:
        try:
            place = self._place(path)
            status = os.stat(place, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_LIMIT_BYTES:
                return b""
            with open(place, "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return b""

    def _lines(self, path: str) -> list[str]:
        return [part for part in re.split(r"[\s:]+", self._content(path).decode(errors="replace")) if part]

    def _entries(self, folder: str) -> list[tuple[str, str]]:
        """Names and kinds ("folder" or "") of what is in a folder; a link is what it leads to."""
        known = self._listed.get(folder)
        if known is None:
            known = []
            try:
                place = self._place(folder)
                with os.scandir(place) as entries:
                    for entry in sorted(entries, key=lambda item: item.name):
                        is_folder = entry.is_dir(follow_symlinks=False)
                        if entry.is_symlink():
                            target = self.tree.absolute(self.tree.resolve(f"{folder}/{entry.name}"))
                            is_folder = os.path.isdir(target) and not os.path.islink(target)
                        known.append((entry.name, "folder" if is_folder else ""))
            except (FileNotFoundError, NotADirectoryError):
                pass
            self._listed[folder] = known
        return known

    def _names(self, folder: str) -> set[str]:
        known = self._sets.get(folder)
        if known is None:
            known = self._sets[folder] = {name for name, _ in self._entries(folder)}
        return known


def _cached_libraries(data: bytes) -> dict[str, list[str]]:
    """Name → the files that the loader's cache gives for it. Source: glibc, sysdeps/generic/dl-cache.h."""
    made: dict[str, list[str]] = {}
    if not data:
        return made
    start = data.find(CACHE_MAGIC)
    try:
        if start < 0:
            raise ValueError("ld.so.cache")
        count = struct.unpack_from("<I", data, start + len(CACHE_MAGIC))[0]
        for number in range(count):
            key, value = struct.unpack_from("<II", data, start + 48 + 24 * number + 4)
            name, place = (os.fsdecode(data[start + at : data.index(b"\0", start + at)]) for at in (key, value))
            made.setdefault(name, []).append(place)
    except (struct.error, ValueError) as error:
        raise NoInterpreter(text("a program of the stage is damaged: {problem}", problem=error)) from error
    return made


def _needs(data: bytes) -> tuple[list[str], list[str]]:
    """The libraries that an ELF file asks for (its loader too), and the folders that it says they are in."""
    if data[:4] != b"\x7fELF" or data[5:6] != b"\x01":
        return [], []
    try:
        return _read_dynamic(data)
    except (struct.error, ValueError, IndexError) as error:
        raise NoInterpreter(text("a program of the stage is damaged: {problem}", problem=error)) from error


def _read_dynamic(data: bytes) -> tuple[list[str], list[str]]:
    """Spec: System V ABI, "Program Header" and "Dynamic Section"."""
    is_wide = data[4] == 2
    word, size = ("<Q", 8) if is_wide else ("<I", 4)
    start = struct.unpack_from(word, data, 32 if is_wide else 28)[0]
    entry_size, count = struct.unpack_from("<HH", data, 54 if is_wide else 42)
    segments: list[tuple[int, int, int, int]] = []
    for number in range(count):
        at = start + number * entry_size
        kind = struct.unpack_from("<I", data, at)[0]
        if is_wide:
            offset, address, _, length = struct.unpack_from("<QQQQ", data, at + 8)
        else:
            offset, address, _, length = struct.unpack_from("<IIII", data, at + 4)
        segments.append((kind, offset, address, length))
    wanted: list[str] = []
    folders: list[str] = []
    for kind, offset, _, length in segments:
        if kind == PT_INTERP:
            wanted.append(os.fsdecode(data[offset : offset + length].rstrip(b"\0")))
        if kind != PT_DYNAMIC:
            continue
        pairs = []
        for at in range(offset, offset + length, 2 * size):
            tag = struct.unpack_from(word, data, at)[0]
            if tag == 0:
                break
            pairs.append((tag, struct.unpack_from(word, data, at + size)[0]))
        table = next((value for tag, value in pairs if tag == DT_STRTAB), None)
        if table is None:
            continue
        base = next(
            (place + table - address for seg, place, address, long in segments if seg == PT_LOAD and address <= table < address + long),
            table,
        )  # fmt: skip
        for tag, value in pairs:
            if tag in (DT_NEEDED, DT_RPATH, DT_RUNPATH):
                end = data.index(b"\0", base + value)
                said = os.fsdecode(data[base + value : end])
                if tag == DT_NEEDED:
                    wanted.append(said)
                else:
                    folders += said.split(":")
    return wanted, folders
