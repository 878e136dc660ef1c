"""Whether what was installed can be imported: which packages are tried, how, and what their failures mean. No IO of its
own but reading the stage's tree.

A resolver knows what packages say of each other; what they were compiled against it does not. So the packages with
extension modules that somebody asked for by name are imported once, in a copy of the stage that is thrown away, and
only failures whose cause is plain are reported: two packages that do not fit together, or a library that the system
has not got. What needs a GPU, a variable or a file to be imported is no failure.
"""

from __future__ import annotations

import json
import os
import re
import stat
from base64 import b64encode

from teul.build.python.requirements import normalise_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from dataclasses import dataclass
    from typing import Any

    from teul.build.tree import Tree
else:
    from teul.values import dataclass

FORM = 1
"""Raised when the check finds more, so that what was remembered is looked at anew."""
LIMIT_S = 20
PACKAGE_LIMIT = 40
MARK = "teul-import:"
LIBRARY_FOLDERS = ("/lib", "/usr/lib", "/usr/local/lib", "/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu")  # fmt: skip

# Packages share a process as long as all goes well; what fails or ends the process is tried again in one of its own.
SCRIPT = r"""
import base64, json, os, select, sys, time
import importlib, traceback, warnings
limit, jobs = json.loads(base64.b64decode(sys.argv[1]))
out = os.dup(1)
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)
deadline = time.monotonic() + limit
warnings.simplefilter("ignore")
def one(modules):
    for module in modules:
        try:
            importlib.import_module(module)
        except BaseException as error:
            chain = []
            while error is not None and len(chain) < 8:
                frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
                chain.append([type(error).__name__, str(error)[:2000], frames[-60:]])
                error = error.__cause__ or error.__context__
            return chain
    return []
def together(group):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        for name, modules in group:
            os.write(writer, (json.dumps([name, one(modules)]) + "\n").encode())
        os._exit(0)
    os.close(writer)
    data, late = b"", False
    while True:
        if not select.select([reader], [], [], max(0, deadline - time.monotonic()))[0]:
            os.kill(child, 9)
            late = True
            break
        piece = os.read(reader, 65536)
        if not piece:
            break
        data += piece
    os.close(reader)
    os.waitpid(child, 0)
    return dict(json.loads(line) for line in data.split(b"\n")[:-1]), late
left = jobs
while left and time.monotonic() < deadline:
    found, late = together(left)
    first = left[0]
    again = [job for job in left if found.get(job[0])]
    left = [job for job in left if job[0] not in found]
    if left and not late:
        again.append(left.pop(0))
    for job in again:
        # Whoever was first in its process had that to itself.
        alone, late = (found, late) if job == first else together([job])
        chain = alone.get(job[0], [] if late else [["died", "", []]])
        os.write(out, ("teul-import:" + json.dumps([job[0], chain]) + "\n").encode())
"""

_OTHER = (
    re.compile(r"(\w+)\.[\w.]+ size changed, may indicate binary incompatibility"),
    re.compile(r"([\w]+)[\w.]* does not export expected C (?:function|variable)"),
    re.compile(r"C (?:function|variable) (\w+)\.\S+ has wrong signature"),
)
_NUMPY = re.compile(
    r"module compiled against (?:ABI|API) version|numpy\.(?:_?core)\.multiarray failed to import|_ARRAY_API not found"
    r"|compiled using NumPy 1"
)
_SYMBOL = re.compile(r"undefined symbol: (\S+)")
_LIBRARY = re.compile(r"(lib[\w.+-]+\.so(?:\.\d+)*): cannot open shared object file")
_LIBC = re.compile(r"version `((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found")
_NO_NAME = re.compile(r"cannot import name '\w+' from '([\w.]+)'")
_NO_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '\w+'")
_DRIVER = re.compile(r"lib(?:cuda|nvidia-[\w-]+|nvcuvid|nvoptix|cudadebugger)\.so")
"""What comes with the host's driver when a container gets its GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One distribution of a tree."""

    name: str
    version: str
    place: str
    """Its `.dist-info` folder, an absolute path of the tree."""
    is_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A distribution that is worth an import."""

    name: str
    modules: tuple[str, ...]
    key: tuple[str, ...]
    """`name==version` of it and of all that it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A package that cannot be imported, and why."""

    package: str
    version: str
    kind: str
    """`binary` (compiled against another version of *other*), `version` (*other* lacks what it uses), `library`
    (a shared library is missing), `libc` (the C library is too old)."""
    detail: str
    other: str = ""
    other_version: str = ""

    @property
    def is_certain(self) -> bool:
        return self.kind == "binary" and bool(self.other)

    def to_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in _PROBLEM}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Problem:
        return cls(**{name: str(value[name]) for name in _PROBLEM})


_PROBLEM = ("package", "version", "kind", "detail", "other", "other_version")


class Environment:
    """The distributions that a Python at *python* (a path of *tree*) sees in its own site folders."""

    def __init__(self, tree: Tree, python: str) -> None:
        self.tree = tree
        self.sites = _sites(tree, python)
        self.distributions: dict[str, Distribution] = {}
        for site in self.sites:
            for entry in self._list(site):
                if entry.endswith(".dist-info"):
                    name, _, version = entry.removesuffix(".dist-info").rpartition("-")
                    place = f"{site}/{entry}"
                    made = Distribution(
                        name=normalise_name(name),
                        version=version,
                        place=place,
                        is_requested=self._exists(f"{place}/REQUESTED"),
                    )
                    self.distributions.setdefault(made.name, made)
        self._owners: dict[str, str] = {}
        self._files: dict[str, list[str]] = {}
        self._needs: dict[str, list[str]] = {}

    def candidates(self) -> list[Candidate]:
        """What is worth an import: what was asked for and has extension modules, first; then other packages with
        extension modules that none of those needs.
        """
        native = {name: self._closure(name) for name, item in self.distributions.items() if self._is_native(item)}
        needed = {name for one, closure in native.items() for name in closure if name != one}
        chosen = [name for name in sorted(native) if self.distributions[name].is_requested]
        chosen += [name for name in sorted(native) if name not in chosen and name not in needed]
        return [
            Candidate(
                name=name,
                modules=modules,
                key=tuple(f"{other}=={self.distributions[other].version}" for other in sorted(native[name])),
            )
            for name in chosen[:PACKAGE_LIMIT]
            if (modules := self._modules(self.distributions[name]))
        ]

    def libraries(self) -> list[str]:
        """The names of the shared libraries that the system has."""
        found = {name for folder in LIBRARY_FOLDERS for name in self._list(folder) if ".so" in name}
        return sorted(found)

    def owner(self, path: str) -> Distribution | None:
        """The distribution that the file *path* of the tree belongs to, by the folder that it is in."""
        for site in self.sites:
            if path.startswith(f"{site}/"):
                return self._owner_of_module(path[len(site) + 1 :].partition("/")[0].partition(".")[0])
        return None

    def problem(self, name: str, chain: Sequence[Sequence[Any]]) -> Problem | None:
        """What the exceptions *chain* (kind, message, files of the traceback), the last one first, say about *name*."""
        for _, message, frames in chain:
            found = self._read(str(message))
            if found is None:
                continue
            kind, detail, module = found
            owners = (self.owner(str(frame)) for frame in reversed(frames))
            package = next((item for item in owners if item is not None), self.distributions[name])
            other = self._owner_of_module(module.partition(".")[0]) if module else None
            if kind == "binary" and not module and ("c10" in detail or "torch" in detail):
                other = self.distributions.get("torch")
            if other is not None and other.name == package.name:
                package = self.distributions[name]
                if other.name == package.name:
                    other = None
            if kind == "version" and other is None:
                continue
            return Problem(
                package=package.name,
                version=package.version,
                kind=kind,
                detail=detail,
                other=other.name if other else "",
                other_version=other.version if other else "",
            )
        return None

    def _read(self, message: str) -> tuple[str, str, str] | None:
        """Kind, detail, and the module of the other side."""
        said = " ".join(message.split())
        for pattern in _OTHER:
            match = pattern.search(said)
            if match is not None:
                return "binary", match[0], match[1]
        match = _NUMPY.search(said)
        if match is not None:
            return "binary", match[0], "numpy"
        match = _SYMBOL.search(said)
        if match is not None:
            return "binary", match[0], ""
        match = _LIBRARY.search(said)
        if match is not None:
            return None if _DRIVER.match(match[1]) else ("library", match[1], "")
        match = _LIBC.search(said)
        if match is not None:
            return "libc", match[1], ""
        match = _NO_NAME.search(said) or _NO_ATTRIBUTE.search(said)
        if match is not None and "partially initialized" not in said:
            return "version", match[0], match[1]
        return None

    # The tree

    def _list(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(self.tree.absolute(self.tree.resolve(path))))
        except OSError:
            return []

    def _exists(self, path: str) -> bool:
        return os.path.lexists(self.tree.absolute(self.tree.resolve(path)))

    def _text(self, path: str) -> str:
        """What is in a plain file; nothing in a pipe, which might be waited for without end."""
        try:
            place = self.tree.absolute(self.tree.resolve(path))
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, encoding="utf-8", errors="replace") as file:
                return file.read(64 << 20) if stat.S_ISREG(os.fstat(descriptor).st_mode) else ""
        except OSError:
            return ""

    def _recorded(self, item: Distribution) -> list[str]:
        known = self._files.get(item.name)
        if known is None:
            rows = self._text(f"{item.place}/RECORD").splitlines()
            known = self._files[item.name] = [row.strip('"').partition(",")[0] for row in rows]
        return known

    def _is_native(self, item: Distribution) -> bool:
        return any(path.endswith(".so") and ".libs/" not in path for path in self._recorded(item))

    def _modules(self, item: Distribution) -> tuple[str, ...]:
        """What of it can be imported by name, those that it is named after first."""
        found: dict[str, bool] = {}
        for path in self._recorded(item):
            first, slash, rest = path.partition("/")
            if first.startswith((".", "_")) or first.endswith((".dist-info", ".data", ".libs")):
                continue
            if not slash and first.endswith((".py", ".so")):
                found[first.partition(".")[0]] = True
            elif rest == "__init__.py":
                found[first] = True
        names = [name for name in found if name.isidentifier() and name not in ("tests", "test", "docs", "examples")]
        wanted = item.name.replace("-", "_")
        return tuple(sorted(names, key=lambda name: (name.lower() != wanted, name)))[:3]

    def _closure(self, name: str) -> set[str]:
        made: set[str] = set()
        left = [name]
        while left:
            one = left.pop()
            item = self.distributions.get(one)
            if item is None or one in made:
                continue
            made.add(one)
            left.extend(self._needed(item))
        return made

    def _needed(self, item: Distribution) -> list[str]:
        known = self._needs.get(item.name)
        if known is None:
            head = self._text(f"{item.place}/METADATA").partition("\n\n")[0]
            found = re.findall(r"^Requires-Dist: *([A-Za-z0-9][\w.-]*)", head, re.MULTILINE)
            known = self._needs[item.name] = [normalise_name(line) for line in found]
        return known

    def _owner_of_module(self, module: str) -> Distribution | None:
        if not self._owners:
            for item in self.distributions.values():
                for path in self._recorded(item):
                    first = path.partition("/")[0].partition(".")[0]
                    if first and not path.startswith("."):
                        self._owners.setdefault(first, item.name)
        return self.distributions.get(self._owners.get(module, ""))


def arguments(candidates: Iterable[Candidate], *, limit_s: float = LIMIT_S) -> tuple[str, ...]:
    """What the Python is given to import them."""
    jobs = [[item.name, list(item.modules)] for item in candidates]
    return ("-B", "-c", SCRIPT, b64encode(json.dumps([limit_s, jobs]).encode()).decode())


def failures(output: bytes) -> dict[str, list[Any]]:
    """Name → exceptions, as SCRIPT wrote them."""
    made: dict[str, list[Any]] = {}
    for line in output.decode(errors="replace").splitlines():
        if line.startswith(MARK):
            try:
                name, chain = json.loads(line.removeprefix(MARK))
                made[str(name)] = [
                    (str(kind), str(said), [str(frame) for frame in files]) for kind, said, files in chain
                ]
            except (ValueError, TypeError):
                continue
    return made


def _sites(tree: Tree, python: str) -> list[str]:
    """The site folders of the interpreter at *python*, from its place alone, those of its own prefix first."""
    prefix = os.path.dirname(os.path.dirname(python))
    made = []
    for top in dict.fromkeys((f"{prefix}/lib", "/usr/local/lib", "/usr/lib")):
        if top != f"{prefix}/lib" and prefix not in ("/usr", "/usr/local", ""):
            continue
        try:
            names = sorted(os.listdir(tree.absolute(tree.resolve(top))))
        except OSError:
            continue
        for name in names:
            if re.fullmatch(r"python3(?:\.\d+)?", name):
                made += [f"{top}/{name}/site-packages", f"{top}/{name}/dist-packages"]
    return [site for site in made if os.path.isdir(tree.absolute(tree.resolve(site)))]


DEBIAN = {
    "libGL.so.1": "libgl1", "libEGL.so.1": "libegl1", "libGLU.so.1": "libglu1-mesa", "libgomp.so.1": "libgomp1",
    "libglib-2.0.so.0": "libglib2.0-0", "libgthread-2.0.so.0": "libglib2.0-0", "libgobject-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6", "libICE.so.6": "libice6", "libXext.so.6": "libxext6", "libXrender.so.1": "libxrender1",
    "libX11.so.6": "libx11-6", "libxcb.so.1": "libxcb1", "libXi.so.6": "libxi6", "libXtst.so.6": "libxtst6",
    "libsndfile.so.1": "libsndfile1", "libportaudio.so.2": "libportaudio2", "libpq.so.5": "libpq5",
    "libmariadb.so.3": "libmariadb3", "libodbc.so.2": "libodbc2", "libstdc++.so.6": "libstdc++6",
    "libgfortran.so.5": "libgfortran5", "libquadmath.so.0": "libquadmath0", "libopenblas.so.0": "libopenblas0",
    "libatomic.so.1": "libatomic1", "libnuma.so.1": "libnuma1", "libffi.so.8": "libffi8",
    "libOpenCL.so.1": "ocl-icd-libopencl1", "libgeos_c.so.1": "libgeos-c1v5", "libmagic.so.1": "libmagic1",
    "libcairo.so.2": "libcairo2", "libpango-1.0.so.0": "libpango-1.0-0", "libpangocairo-1.0.so.0": "libpangocairo-1.0-0",
    "libgdk_pixbuf-2.0.so.0": "libgdk-pixbuf-2.0-0", "libopenslide.so.0": "libopenslide0", "libzbar.so.0": "libzbar0",
    "libxml2.so.2": "libxml2", "libxslt.so.1": "libxslt1.1", "libusb-1.0.so.0": "libusb-1.0-0", "libbz2.so.1.0": "libbz2-1.0",
    "libexpat.so.1": "libexpat1", "libuuid.so.1": "libuuid1", "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libsqlite3.so.0": "libsqlite3-0", "liblzma.so.5": "liblzma5", "libssl.so.3": "libssl3", "libmpi.so.40": "libopenmpi3",
}  # fmt: skip
"""Shared library → the package of Debian 12 that has it."""
