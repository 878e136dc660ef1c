"""What the direct path speaks of: an interpreter in a stage's tree, a wheel to install, a resolution, a doubt. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
    from typing import Any

    from teul.build.python.poetry_wheel import Form
    from teul.errors import Text
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why an install is left to the command itself; said in the build's progress."""

    reason: Text
    is_of_choice: bool = False
    """Whether only which wheels pip would choose is in doubt: then it can be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A distribution that is in the tree already."""

    name: str
    """Normalised as PEP 503 says."""
    version: str
    place: str
    """Absolute path of its `.dist-info` (or `.egg-info`) folder in the tree."""
    requires: tuple[str, ...] = ()
    installer: str = ""

    def to_json(self) -> list[Any]:
        return [self.name, self.version, self.place, list(self.requires), self.installer]

    @classmethod
    def from_json(cls, value: list[Any]) -> Installed:
        name, version, place, requires, installer = value
        return cls(name=name, version=version, place=place, requires=tuple(requires), installer=installer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python of one stage's tree; paths are absolute in the tree."""

    path: str
    """As the command finds it: `/usr/local/bin/python3`."""
    executable: str
    """Its `sys.executable`, which goes into the first line of console scripts."""
    version: tuple[int, int, int]
    implementation: str
    """`cpython`."""
    cache_tag: str
    """`cpython-311`: the middle of a `.pyc`'s name."""
    magic: str
    """The four bytes that every `.pyc` begins with, in hexadecimal."""
    libc: str
    """`glibc`, `musl`, or "" where it could not be told."""
    libc_version: tuple[int, int]
    machine: str
    """`x86_64`, `aarch64`: as `platform.machine()` says."""
    prefix: str
    base_prefix: str
    """Another one than `prefix` within a virtual environment."""
    purelib: str
    platlib: str
    scripts: str
    data: str
    headers: str
    """The folder above the distributions' own: `include/python3.11`, or `include/site/python3.11` in an environment."""
    search_path: tuple[str, ...]
    """The folders of `sys.path` that distributions are looked for in."""
    is_externally_managed: bool
    pip_version: str
    """The version of the pip that `python -m pip` runs, "" without one."""
    installed: tuple[Installed, ...]
    script_form: str = ""
    """A console script as its pip writes it (see `wheel.ScriptForm`), "" without pip."""
    blocks_imports: bool = False
    """Whether its pip imports nothing more once it installs (26 and later): then it cannot compile what is written in
    an encoding whose codec it has not loaded."""
    identity: str = ""
    """The digest of its executable: bytecode is shared by stages whose interpreters are the same file."""

    @property
    def is_virtual(self) -> bool:
        return self.prefix != self.base_prefix

    def to_json(self) -> dict[str, Any]:
        made = {name: getattr(self, name) for name in _PLAIN}
        return made | {
            "version": list(self.version),
            "libc_version": list(self.libc_version),
            "search_path": list(self.search_path),
            "installed": [item.to_json() for item in self.installed],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Interpreter:
        major, minor, micro = value["version"]
        libc_major, libc_minor = value["libc_version"]
        return cls(
            version=(major, minor, micro),
            libc_version=(libc_major, libc_minor),
            search_path=tuple(value["search_path"]),
            installed=tuple(Installed.from_json(item) for item in value["installed"]),
            **{name: value[name] for name in _PLAIN},
        )


_PLAIN = (
    "path",
    "executable",
    "implementation",
    "cache_tag",
    "magic",
    "libc",
    "machine",
    "prefix",
    "base_prefix",
    "purelib",
    "platlib",
    "scripts",
    "data",
    "headers",
    "is_externally_managed",
    "pip_version",
    "script_form",
    "identity",
    "blocks_imports",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One thing to install, pinned."""

    name: str
    """Normalised as PEP 503 says."""
    version: str
    filename: str
    url: str
    """Where it is fetched from: `https:`, `http:` or `file:`; it may hold a password, so it is never shown or kept."""
    sha256: str
    """Hexadecimal; "" only for what lies in the tree (`file:`) and has not been read yet."""
    size_bytes: int | None = None
    uploaded: str = ""
    """RFC 3339, "" when the index does not say."""
    requested: bool = False
    """Whether the command names it (pip then writes `REQUESTED`)."""
    extras: tuple[str, ...] = ()
    direct_url: str = ""
    """The content of `direct_url.json`, "" for what came from an index."""
    built_from: str = ""
    """The sha256 (hexadecimal) of the sdist that it was built from, "" for a wheel of the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What an install command would do to a tree."""

    interpreter: Interpreter
    wheels: tuple[Wheel, ...]
    """In the order in which pip would install them (dependencies first)."""
    kept: tuple[Installed, ...] = ()
    """What satisfies the command already and stays as it is."""
    removed: tuple[Installed, ...] = ()
    """What a newer version among *wheels* takes the place of (see `replacing`)."""
    installer: str = "pip"
    """The text of `INSTALLER`: `pip`, `uv`, `Poetry 2.1.4`."""
    compiles: bool = True
    """Whether the command writes `.pyc` files."""
    form: Form | None = None
    """How poetry writes."""
