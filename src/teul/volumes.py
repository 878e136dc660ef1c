"""What is mounted into a container: `-v`, `--mount` and `--tmpfs`, read into `MountPoint` values. Must not make anything.

Source: Docker's documentation, "docker run" (`-v`, `--mount`, `--tmpfs`).
"""

from __future__ import annotations

import os

from teul.errors import InvalidInput, OptionUnsupported, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
    from typing import Any
else:
    from teul.values import dataclass

_NAME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME_REST = _NAME_FIRST | frozenset("_.-")
_PROPAGATIONS = ("private", "rprivate", "slave", "rslave")
_LEFT_OUT = ("shared", "rshared")
_TMPFS_OPTIONS = (
    *("rw", "ro", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "size", "mode", "uid", "gid"),
    *("nr_inodes", "nr_blocks", "noatime", "relatime", "huge"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPoint:
    """One mount of a container. *kind*: "bind", "volume", "tmpfs" or "image" (read-only: `source` as it was asked for).

    `source` is the host's path (of a volume: "" until it is known), `name` the volume's name, or the image's id ("" asks for an anonymous
    one), `options` are mount options beside `ro`. `copy`: an empty volume gets what the image has at the target.
    """

    kind: str
    target: str
    source: str = ""
    name: str = ""
    readonly: bool = False
    options: tuple[str, ...] = ()
    anonymous: bool = False
    copy: bool = True
    make_source: bool = True
    subpath: str = ""
    volume_options: tuple[str, ...] = ()
    volume_labels: tuple[str, ...] = ()
    """For a volume that is to be made: `NAME=value` words."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> MountPoint:
        made: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
        return cls(**made)


def parse_volume(value: str, *, cwd: str = "") -> MountPoint:
    """`[SOURCE:]TARGET[:OPTIONS]`; SOURCE is an absolute path, one that begins with `.`, or a volume's name.

    Raises:
        InvalidInput: with Docker's words. OptionUnsupported: an option that would not be honoured.
    """
    parts = value.split(":")
    if len(parts) > 3 or not value or "" in parts:
        raise InvalidInput(text("invalid volume specification: '{value}'", value=value))
    if len(parts) == 1:
        return MountPoint(kind="volume", target=_target(parts[0], value), anonymous=True)
    source, target = parts[0], _target(parts[1], value)
    readonly, copy, options = False, True, []
    for option in parts[2].split(",") if len(parts) == 3 else ():
        if option in ("ro", "rw"):
            readonly = option == "ro"
        elif option == "nocopy":
            copy = False
        elif option in ("z", "Z", "cached", "delegated", "consistent", "default"):
            # SELinux labels and the consistency of a virtual machine's file sharing: nothing is to be done here.
            continue
        elif option in _PROPAGATIONS:
            options.append(option)
        elif option in _LEFT_OUT:
            raise OptionUnsupported(
                f"--volume …:{option}", hint=text("use rslave: mounts of the host appear in the container")
            )
        else:
            raise InvalidInput(text("invalid mode: {mode}", mode=parts[2]))
    if source.startswith(("/", "./", "../", "~/")) or source in (".", ".."):
        path = os.path.expanduser(source) if source[0] == "~" else os.path.join(cwd or os.getcwd(), source)
        return MountPoint(
            kind="bind",
            source=os.path.normpath(path),
            target=target,
            readonly=readonly,
            options=tuple(options) or ("rprivate",),
        )
    check_volume_name(source)
    return MountPoint(kind="volume", name=source, target=target, readonly=readonly, options=tuple(options), copy=copy)


def parse_mount(value: str, *, cwd: str = "") -> MountPoint:
    """`--mount type=bind|volume|tmpfs,source=…,target=…,readonly,…`.

    Raises:
        InvalidInput: with Docker's words. OptionUnsupported: an option that would not be honoured.
    """
    kind, source, target, readonly, copy, make = "volume", "", "", False, True, False
    options: list[str] = []
    volume_options: list[str] = []
    volume_labels: list[str] = []
    subpath = ""
    for field in _csv(value):
        key, equals, given = field.partition("=")
        key = key.strip().lower()
        if key == "type":
            kind = given.lower()
        elif key in ("source", "src"):
            source = given
        elif key in ("target", "dst", "destination"):
            target = given
        elif key in ("readonly", "ro"):
            readonly = _boolean(key, given if equals else "true")
        elif key == "bind-propagation":
            if given in _LEFT_OUT:
                raise OptionUnsupported(f"--mount bind-propagation={given}")
            if given not in _PROPAGATIONS:
                raise InvalidInput(text("invalid propagation: {value}", value=given))
            options.append(given)
        elif key == "bind-create-src":
            make = _boolean(key, given if equals else "true")
        elif key == "bind-recursive" and given in ("enabled", "writable", "readonly", "disabled"):
            if given != "enabled":
                raise OptionUnsupported(f"--mount bind-recursive={given}")
        elif key == "volume-nocopy":
            copy = not _boolean(key, given if equals else "true")
        elif key in ("volume-subpath", "image-subpath"):
            subpath = given
        elif key == "tmpfs-size":
            options.append(f"size={parse_size(given)}")
        elif key == "tmpfs-mode":
            options.append(f"mode={given}")
        elif key == "consistency" or (key == "volume-driver" and given in ("", "local")):
            continue
        elif key == "volume-opt":
            volume_options.append(given)
        elif key == "volume-label":
            volume_labels.append(given)
        elif key in ("volume-driver", "tmpfs-opt", "bind-nonrecursive"):
            raise OptionUnsupported(f"--mount {key}")
        else:
            raise InvalidInput(text("unexpected key '{key}' in '{field}'", key=key, field=field))
    if kind not in ("bind", "volume", "tmpfs", "image"):
        if kind in ("npipe", "cluster"):
            raise OptionUnsupported(f"--mount type={kind}")
        raise InvalidInput(text("mount type unknown: {kind}", kind=kind))
    if not target:
        raise InvalidInput(text('invalid field "{value}": target is required', value=value))
    target = _target(target, value)
    if kind == "bind":
        if not source:
            raise InvalidInput(text('invalid field "{value}": source is required', value=value))
        path = os.path.join(cwd or os.getcwd(), os.path.expanduser(source))
        return MountPoint(
            kind=kind,
            source=os.path.normpath(path),
            target=target,
            readonly=readonly,
            options=tuple(options) or ("rprivate",),
            make_source=make,
        )
    if kind == "image":
        if not source:
            raise InvalidInput(text('invalid field "{value}": source is required', value=value))
        return MountPoint(kind=kind, source=source, target=target, readonly=True, subpath=subpath)
    if kind == "tmpfs":
        if source:
            raise InvalidInput(text("invalid mount config for type `tmpfs`: field Source must not be specified"))
        return tmpfs(target, tuple(options), readonly=readonly)
    if source:
        check_volume_name(source)
    return MountPoint(
        kind=kind,
        name=source,
        target=target,
        readonly=readonly,
        options=tuple(options),
        anonymous=not source,
        copy=copy,
        subpath=subpath,
        volume_options=tuple(volume_options),
        volume_labels=tuple(volume_labels),
    )


def parse_tmpfs(value: str) -> MountPoint:
    """`TARGET[:OPTIONS]`.

    Raises:
        InvalidInput: an option that a tmpfs has not.
    """
    target, _, given = value.partition(":")
    options = []
    readonly = False
    for option in given.split(",") if given else ():
        name, equals, size = option.partition("=")
        if name not in _TMPFS_OPTIONS:
            raise InvalidInput(text("invalid tmpfs option '{option}'", option=option))
        if option in ("ro", "rw"):
            readonly = option == "ro"
        elif name == "size" and equals and not size.endswith("%"):
            options.append(f"size={parse_size(size)}")
        else:
            options.append(option)
    return tmpfs(_target(target, value), tuple(options), readonly=readonly)


def tmpfs(target: str, options: tuple[str, ...] = (), *, readonly: bool = False) -> MountPoint:
    """A tmpfs with Docker's defaults (`noexec`, `nosuid`, `nodev`) unless *options* say otherwise.

    Without a mode it has that of the folder that it covers, and 1777 where there is none.
    """
    made = [word for word in ("noexec", "nosuid", "nodev") if word.removeprefix("no") not in options]
    made += [option for option in options if option not in made]
    return MountPoint(kind="tmpfs", target=target, readonly=readonly, options=tuple(made))


def check_volume_name(name: str) -> str:
    """*name*, when a volume may be called so.

    Raises:
        InvalidInput: with Docker's words.
    """
    if len(name) < 2:
        raise InvalidInput(
            text("volume name is too short, names should be at least two alphanumeric characters: {name}", name=name)
        )
    if name[0] not in _NAME_FIRST or not _NAME_REST.issuperset(name):
        raise InvalidInput(
            text(
                '"{name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are '
                "allowed. If you intended to pass a host directory, use absolute path",
                name=name,
            )
        )
    return name


def parse_size(value: str) -> int:
    """Bytes of `64m`, `1g`, `512kb`, `1.5GiB`, `1024` (powers of 1024, as Docker counts memory).

    Raises:
        InvalidInput: not a size.
    """
    word = value.strip().lower()
    number = word.rstrip("bkmgtpi ")
    unit = word[len(number) :].strip()
    scale = {"": 0, "b": 0}
    for power, letter in enumerate("kmgtp", start=1):
        scale |= {letter: power, f"{letter}b": power, f"{letter}ib": power}
    try:
        made = float(number) if "." in number else int(number)
        if made < 0:
            raise ValueError(value)
        return int(made * (1 << (10 * scale[unit])))
    except (ValueError, KeyError, OverflowError):
        raise InvalidInput(text("invalid size: '{value}'", value=value)) from None


def _target(path: str, value: str) -> str:
    if not path.startswith("/"):
        raise InvalidInput(text("invalid volume specification: '{value}': mount path must be absolute", value=value))
    made = os.path.normpath("/" + path.lstrip("/"))
    if made == "/":
        raise InvalidInput(text("invalid volume specification: '{value}': destination can't be '/'", value=value))
    return made


def _boolean(key: str, value: str) -> bool:
    word = value.lower()
    if word in ("1", "t", "true"):
        return True
    if word in ("0", "f", "false"):
        return False
    raise InvalidInput(text("invalid value for {key}: {value}", key=key, value=value))


def _csv(value: str) -> list[str]:
    """The fields of one line of comma-separated values (a field in double quotes may hold commas)."""
    fields = [""]
    quoted = False
    for char in value:
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            fields.append("")
        else:
            fields[-1] += char
    return [field for field in fields if field]
