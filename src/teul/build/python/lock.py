"""`teul.lock`: what a build resolved, so that the next one on any machine does the same. Pure: text ↔ value.

It holds the digests of base images, the hashes of wheels, the day as of which packages were looked up and the
addresses of the indexes without passwords; no path of a machine, no address of a file.

An install is found by what it asks for (requirements, constraints and options, flattened) and for which Python; where
what is asked for has changed, the versions that the same command had before are preferred, so that one more line in
requirements.txt changes nothing else.
"""

from __future__ import annotations

from teul.errors import LockError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import dataclass
    from typing import Any
else:
    from teul.values import dataclass

FILENAME = "teul.lock"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedBase:
    """Which image a FROM means."""

    reference: str
    platform: str
    image: str
    """The digest of its config."""
    manifest: str = ""
    """The digest that a registry has it under, "" where it came from none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedWheel:
    name: str
    version: str
    filename: str
    sha256: str
    uploaded: str = ""
    requested: bool = False
    direct_url: str = ""
    built_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedInstall:
    """What one install command came to."""

    command: str
    wants: str
    """The digest of what it asks for, its files flattened."""
    python: str
    """`3.11`."""
    platform: str
    """As uv calls it."""
    as_of: str = ""
    indexes: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    """(name, version) of what was below and satisfied it."""
    wheels: tuple[LockedWheel, ...] = ()

    def to_json(self) -> dict[str, Any]:
        made = {name: getattr(self, name) for name in _INSTALL}
        made["indexes"] = list(self.indexes)
        made["kept"] = [list(item) for item in self.kept]
        made["wheels"] = [
            {name: getattr(wheel, name) for name in _WHEEL if getattr(wheel, name)} for wheel in self.wheels
        ]
        return made

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LockedInstall:
        return cls(
            **{name: str(value.get(name, "")) for name in _INSTALL},
            indexes=tuple(str(item) for item in value.get("indexes", ())),
            kept=tuple((str(name), str(version)) for name, version in value.get("kept", ())),
            wheels=tuple(
                LockedWheel(
                    requested=bool(item.get("requested")),
                    **{name: str(item.get(name, "")) for name in _WHEEL if name != "requested"},
                )
                for item in value.get("wheels", ())
            ),
        )


_INSTALL = ("command", "wants", "python", "platform", "as_of")
_WHEEL = ("name", "version", "filename", "sha256", "uploaded", "requested", "direct_url", "built_from")
_BASE = ("reference", "platform", "image", "manifest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The whole file. `as_of` is an RFC 3339 time, "" for the present."""

    as_of: str = ""
    bases: tuple[LockedBase, ...] = ()
    installs: tuple[LockedInstall, ...] = ()

    @classmethod
    def parse(cls, source: str, path: str = FILENAME) -> Lock:
        """Read the file.

        Raises:
            LockError: not what `str` writes, or written by a later teul.
        """
        import tomllib

        try:
            value = tomllib.loads(source)
            if value.get("version") != VERSION:
                raise LockError(
                    text(
                        "lock `{path}`: expected version {expected}, got {version}",
                        path=path,
                        expected=VERSION,
                        version=value.get("version", "none"),
                    ),
                    hint=text("remove it, and build with --lock"),
                )
            made = cls(
                as_of=str(value.get("as_of", "")),
                bases=tuple(
                    LockedBase(**{name: str(item.get(name, "")) for name in _BASE}) for item in value.get("bases", ())
                ),
                installs=tuple(LockedInstall.from_json(item) for item in value.get("installs", ())),
            )
        except (tomllib.TOMLDecodeError, AttributeError, TypeError, ValueError) as error:
            if isinstance(error, LockError):
                raise
            raise LockError(
                text("lock `{path}`: {problem}", path=path, problem=error),
                hint=text("remove it, and build with --lock"),
            ) from error
        for wheel in (wheel for install in made.installs for wheel in install.wheels):
            if len(wheel.sha256) != 64 or not set(wheel.sha256) <= set("0123456789abcdef") or "/" in wheel.filename:
                raise LockError(text("lock `{path}`: `{name}` has no valid sha256", path=path, name=wheel.name))
        return made

    def __str__(self) -> str:
        """The file's text: the same for equal locks."""
        lines = [
            "# Written by teul: what this build resolved. Commit it; `teul build` obeys it.",
            f"version = {VERSION}",
        ]
        if self.as_of:
            lines.append(f"as_of = {_toml(self.as_of)}")
        for base in self.bases:
            lines += [
                "",
                "[[bases]]",
                *(f"{name} = {_toml(getattr(base, name))}" for name in _BASE if getattr(base, name)),
            ]
        for install in self.installs:
            value = install.to_json()
            wheels = value.pop("wheels")
            lines += ["", "[[installs]]", *(f"{name} = {_toml(item)}" for name, item in value.items() if item)]
            lines.append("wheels = [" if wheels else "wheels = []")
            for wheel in wheels:
                fields = ", ".join(f"{name} = {_toml(item)}" for name, item in wheel.items())
                lines.append(f"  {{ {fields} }},")
            lines += ["]"] if wheels else []
        return "\n".join(lines) + "\n"

    def base(self, reference: str, platform: str) -> LockedBase | None:
        return next((base for base in self.bases if (base.reference, base.platform) == (reference, platform)), None)

    def of_command(self, command: str) -> list[LockedInstall]:
        """What the lock knows about a command, whatever it asked for then."""
        return [install for install in self.installs if install.command == command]

    def find(self, wants: str, python: str, platform: str) -> LockedInstall | None:
        """The install of exactly these wishes."""
        key = (wants, python, platform)
        return next((item for item in self.installs if (item.wants, item.python, item.platform) == key), None)


def read_lock(path: str) -> Lock | None:
    """The lock at *path*, None where there is none.

    Raises:
        LockError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return Lock.parse(file.read(), path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(text("lock `{path}`: {problem}", path=path, problem=error)) from error


def preferred(installs: Sequence[LockedInstall]) -> dict[str, str]:
    """Name → version of what these installs had."""
    return {wheel.name: wheel.version for install in installs for wheel in install.wheels}


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    import json

    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped as well.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
