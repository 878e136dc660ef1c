"""What `--cap-add`, `--cap-drop`, `--security-opt` and `--device` mean for a sandbox.

Source: Docker's documentation, "docker run" (runtime privilege and Linux capabilities, security configuration).
"""

from __future__ import annotations

import os
import stat

from teul.errors import InvalidInput, OptionUnsupported, text
from teul.runtime.spec import ALL_CAPABILITIES, DEFAULT_CAPABILITIES, MASKED_PATHS, READONLY_PATHS, Device, DeviceRule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from dataclasses import dataclass
else:
    from teul.values import dataclass

_SKIPPED_FOLDERS = ("pts", "shm", "mqueue", "fd", ".lxc", ".lxd-mounts", ".udev")


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What `--security-opt` words come to."""

    seccomp: str = "default"
    no_new_privileges: bool = False
    masked_paths: tuple[str, ...] = MASKED_PATHS
    readonly_paths: tuple[str, ...] = READONLY_PATHS


def capabilities(add: Sequence[str], drop: Sequence[str]) -> tuple[str, ...] | None:
    """Docker's default set with changes; None when there are none.

    Raises:
        InvalidInput: with Docker's words, for a name that is no capability.
    """
    if not add and not drop:
        return None
    added, dropped = [_capability(word) for word in add], [_capability(word) for word in drop]
    wanted = set(DEFAULT_CAPABILITIES)
    if "ALL" in dropped:
        wanted = set()
    if "ALL" in added:
        wanted = set(ALL_CAPABILITIES)
    wanted |= {name for name in added if name != "ALL"}
    wanted -= {name for name in dropped if name not in ("ALL", *added)}
    return tuple(name for name in ALL_CAPABILITIES if name in wanted)


def parse_security(words: Iterable[str]) -> Security:
    """Read `--security-opt` words.

    Raises:
        InvalidInput: with Docker's words. OptionUnsupported: a confinement that would not be there.
    """
    seccomp, no_new = "default", False
    masked: tuple[str, ...] = MASKED_PATHS
    readonly: tuple[str, ...] = READONLY_PATHS
    for word in words:
        separator = "=" if "=" in word else ":"
        name, given, value = word.partition(separator)
        if name == "no-new-privileges":
            if given and value not in ("true", "false"):
                raise InvalidInput(text("invalid --security-opt: {word}", word=word))
            no_new = value != "false"
        elif name == "seccomp" and value:
            seccomp = "default" if value == "builtin" else value if value == "unconfined" else os.path.abspath(value)
        elif name == "apparmor" and value:
            if value != "unconfined":
                raise OptionUnsupported(f"--security-opt apparmor={value}")
        elif name == "label" and value:
            if value != "disable":
                raise OptionUnsupported(f"--security-opt label={value}")
        elif name == "systempaths" and value == "unconfined":
            masked, readonly = (), ()
        else:
            raise InvalidInput(text("invalid --security-opt: {word}", word=word))
    return Security(seccomp=seccomp, no_new_privileges=no_new, masked_paths=masked, readonly_paths=readonly)


def parse_device(word: str) -> tuple[Device, ...]:
    """Read `--device /dev/x[:/dev/y][:rwm]`; a folder gives all nodes below it.

    Raises:
        InvalidInput: with Docker's words. OptionUnsupported: a CDI name.
    """
    if not word.startswith("/") and "=" in word:
        raise OptionUnsupported(f"--device {word}")
    parts = word.split(":")
    source, target, access = parts[0], parts[0], "rwm"
    if len(parts) > 3 or not source.startswith("/"):
        raise InvalidInput(text("invalid device specification: {word}", word=word))
    if len(parts) == 3:
        target, access = parts[1], parts[2]
    elif len(parts) == 2:
        if parts[1] and not parts[1].strip("rwm"):
            access = parts[1]
        else:
            target = parts[1]
    if not target.startswith("/") or not access or access.strip("rwm"):
        raise InvalidInput(text("invalid device specification: {word}", word=word))
    try:
        if os.path.isdir(source):
            return tuple(_below(source, target, access))
        found = _device(os.path.realpath(source), target, access)
    except OSError as error:
        raise InvalidInput(
            text('error gathering device information while adding custom device "{path}": {problem}',
                 path=source, problem=error.strerror or error)
        ) from error  # fmt: skip
    if found is None:
        raise InvalidInput(
            text('error gathering device information while adding custom device "{path}": not a device node',
                 path=source)
        )  # fmt: skip
    return (found,)


def paths(words: Iterable[str]) -> list[str]:
    """The `--device` words that are paths; the others name devices of a CDI specification."""
    return [word for word in words if word.startswith("/") or "=" not in word]


def parse_device_rule(word: str) -> DeviceRule:
    """Read `--device-cgroup-rule 'c 189:* rmw'`.

    Raises:
        InvalidInput: with Docker's words.
    """
    parts = word.split(" ")
    numbers = parts[1].split(":") if len(parts) == 3 else []
    if (
        len(numbers) != 2
        or parts[0] not in ("a", "b", "c")
        or not all(number == "*" or number.isdigit() for number in numbers)
        or not 0 < len(parts[2]) <= 3
        or parts[2].strip("rwm")
    ):
        raise InvalidInput(text("invalid device cgroup format '{word}'", word=word))
    major, minor = (-1 if number == "*" else int(number) for number in numbers)
    return DeviceRule(kind=parts[0], major=major, minor=minor, access=parts[2])


def host_devices() -> tuple[Device, ...]:
    """All of the host's device nodes, for a privileged container."""
    return tuple(_below("/dev", "/dev", "rwm"))


def _below(source: str, target: str, access: str) -> list[Device]:
    made: list[Device] = []
    try:
        entries = sorted(os.scandir(source), key=lambda entry: entry.name)
    except OSError:
        return made
    for entry in entries:
        if entry.is_symlink() or entry.name in ("console", "ptmx"):
            continue
        if entry.is_dir():
            if entry.name not in _SKIPPED_FOLDERS:
                made += _below(entry.path, f"{target}/{entry.name}", access)
            continue
        try:
            found = _device(entry.path, f"{target}/{entry.name}", access)
        except OSError:
            continue
        if found is not None:
            made.append(found)
    return made


def _device(source: str, target: str, access: str) -> Device | None:
    status = os.stat(source)
    if stat.S_ISCHR(status.st_mode):
        kind = "c"
    elif stat.S_ISBLK(status.st_mode):
        kind = "b"
    else:
        return None
    return Device(
        path=target,
        kind=kind,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        access=access,
    )


def _capability(word: str) -> str:
    name = word.upper()
    if name == "ALL":
        return name
    if not name.startswith("CAP_"):
        name = f"CAP_{name}"
    if name not in ALL_CAPABILITIES:
        raise InvalidInput(text('invalid capability: "{name}"', name=name))
    return name
