"""Container Device Interface: specifications of devices, read from files, and the edits that a device asks for.

`parse` and `Registry` are pure; `read` looks into the folders. A device is named `vendor.com/class=name`. Its edits are
those of its specification as a whole (once) and its own.

Spec: CNCF Container Device Interface 1.1.0, SPEC.md.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from teul.errors import InvalidInput, MalformedSpecification, NotFound, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

FOLDERS = ("/etc/cdi", "/var/run/cdi")
"""Where specifications are, the later the stronger. Spec: SPEC.md, "CDI JSON Specification", "Location"."""
VERSIONS = ("0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0")
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_VENDOR = re.compile(r"[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?\Z")
_CLASS = re.compile(r"[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?\Z")
_DEVICE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """A node for the container. Major and minor are the host's where 0, 0 and *kind* "" say nothing; *mode* None too.

    `uid`, `gid` None: the container's own user decides, which is root here.
    """

    path: str
    host_path: str = ""
    kind: str = ""
    major: int = 0
    minor: int = 0
    mode: int | None = None
    access: str = "rwm"
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class HostMount:
    """A path of the host at a path of the container."""

    host_path: str
    path: str
    options: tuple[str, ...] = ()
    type: str = ""


@dataclass(frozen=True, slots=True)
class Hook:
    """A program of the host that the runtime runs; *stage* is one of `HOOKS`, *timeout_s* 0 is none."""

    stage: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout_s: int = 0


@dataclass(frozen=True, slots=True)
class NetDevice:
    """A network interface of the host that moves into the container under *name*."""

    host_name: str
    name: str


@dataclass(frozen=True, slots=True)
class Edits:
    """What a device changes in a container. They add up with `+`."""

    env: tuple[str, ...] = ()
    nodes: tuple[DeviceNode, ...] = ()
    mounts: tuple[HostMount, ...] = ()
    hooks: tuple[Hook, ...] = ()
    groups: tuple[int, ...] = ()
    net_devices: tuple[NetDevice, ...] = ()
    intel_rdt: Mapping[str, Any] = field(default_factory=dict)

    def __add__(self, other: Edits) -> Edits:
        return Edits(
            self.env + other.env,
            self.nodes + other.nodes,
            self.mounts + other.mounts,
            self.hooks + other.hooks,
            tuple(dict.fromkeys(self.groups + other.groups)),
            self.net_devices + other.net_devices,
            {**self.intel_rdt, **other.intel_rdt},
        )


@dataclass(frozen=True, slots=True)
class Specification:
    """One file: devices of one *kind* (`vendor.com/class`). *path* is where it was read, "" when it was made."""

    kind: str
    devices: Mapping[str, Edits]
    edits: Edits = field(default_factory=Edits)
    path: str = ""
    priority: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    device_annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.kind}={name}" for name in self.devices)


def is_device_name(word: str) -> bool:
    """Whether *word* is `vendor/class=name`, and so no path."""
    kind, equals, name = word.partition("=")
    vendor, slash, class_ = kind.partition("/")
    return bool(equals and slash and _VENDOR.match(vendor) and _CLASS.match(class_) and _DEVICE.match(name))


class Registry:
    """The devices of some specifications. *problems* are files that could not be read, by path."""

    def __init__(self, specifications: Iterable[Specification], problems: Mapping[str, str] | None = None) -> None:
        self._found: dict[str, list[Specification]] = {}
        self.problems = dict(problems or {})
        for item in specifications:
            for name in item.names():
                self._found.setdefault(name, []).append(item)

    def names(self) -> list[str]:
        """All devices that can be asked for."""
        return sorted(name for name, found in self._found.items() if len(_strongest(found)) == 1)

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def annotations(self, name: str) -> dict[str, str]:
        """The annotations of a device and of its specification.

        Raises:
            NotFound.
        """
        found = self._specification(name)
        return {**found.annotations, **found.device_annotations.get(name.partition("=")[2], {})}

    def edits(self, names: Sequence[str]) -> Edits:
        """What the devices *names* change together; a specification's own edits come once, before its devices'.

        Raises:
            NotFound: there is no such device, or two equally strong files have it.
            InvalidInput: not a device's name.
        """
        made = Edits()
        seen: list[Specification] = []
        for name in dict.fromkeys(names):
            found = self._specification(name)
            if found not in seen:
                seen.append(found)
                made += found.edits
            made += found.devices[name.partition("=")[2]]
        return made

    def _specification(self, name: str) -> Specification:
        if not is_device_name(name):
            raise InvalidInput(text("invalid CDI device name: {name}", name=name))
        found = _strongest(self._found.get(name, []))
        if not found:
            known = self.names()
            raise NotFound(
                text("CDI device {name} is unresolvable: no specification has it", name=name),
                hint=text("devices that are there: {names}", names=", ".join(known[:8]) if known else "-"),
            )
        if len(found) > 1:
            paths = ", ".join(sorted(item.path for item in found))
            raise NotFound(text("CDI device {name} is unresolvable: it is in {paths}", name=name, paths=paths))
        return found[0]


def _strongest(found: list[Specification]) -> list[Specification]:
    strength = max((item.priority for item in found), default=0)
    return [item for item in found if item.priority == strength]


def read(folders: Sequence[str] = FOLDERS) -> Registry:
    """All specifications in *folders*; a file that is none is remembered as a problem and does no harm to others."""
    specifications: list[Specification] = []
    problems: dict[str, str] = {}
    for priority, folder in enumerate(folders):
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            if not name.endswith((".json", ".yaml", ".yml")):
                continue
            path = f"{folder}/{name}"
            try:
                with open(path, "rb") as file:
                    specifications.append(parse(load(file.read(), path), path=path, priority=priority))
            except (OSError, MalformedSpecification) as error:
                problems[path] = str(error)
    return Registry(specifications, problems)


def load(data: bytes, path: str) -> object:
    """The document in *data*, JSON or YAML by the name of its file.

    Raises:
        MalformedSpecification.
    """
    try:
        if path.endswith(".json"):
            import json

            return json.loads(data)
        import yaml

        return yaml.safe_load(data)
    except (ValueError, RecursionError) as error:
        raise MalformedSpecification(path, str(error)) from error
    except Exception as error:
        # yaml's errors share no class with anything, and importing their class costs every other caller.
        if type(error).__module__.startswith("yaml"):
            raise MalformedSpecification(path, str(error).splitlines()[0]) from error
        raise


def parse(document: object, *, path: str = "", priority: int = 0) -> Specification:
    """The specification in *document* (as `load` gives it).

    Raises:
        MalformedSpecification: says which field is wrong.
    """
    reader = _Reader(path)
    whole = reader.mapping(document, "the document")
    version = reader.string(whole, "cdiVersion").removeprefix("v")
    if version not in VERSIONS:
        raise reader.wrong("cdiVersion", text("expected one of {known}, got {value}", known=VERSIONS, value=version))
    kind = reader.string(whole, "kind")
    vendor, _, class_ = kind.partition("/")
    if not (_VENDOR.match(vendor) and _CLASS.match(class_)):
        raise reader.wrong("kind", text("expected vendor.com/class, got {value}", value=kind))
    devices: dict[str, Edits] = {}
    annotations: dict[str, dict[str, str]] = {}
    for number, item in enumerate(reader.items(whole, "devices")):
        place = f"devices[{number}]"
        device = reader.mapping(item, place)
        name = reader.string(device, "name", place)
        if not _DEVICE.match(name):
            raise reader.wrong(f"{place}.name", text("expected a device's name, got {value}", value=name))
        if name in devices:
            raise reader.wrong(f"{place}.name", text("{value} is there twice", value=name))
        devices[name] = reader.edits(device.get("containerEdits"), f"{place}.containerEdits")
        annotations[name] = reader.words(device.get("annotations"), f"{place}.annotations")
    return Specification(
        kind=kind,
        devices=devices,
        edits=reader.edits(whole.get("containerEdits"), "containerEdits"),
        path=path,
        priority=priority,
        annotations=reader.words(whole.get("annotations"), "annotations"),
        device_annotations=annotations,
    )


class _Reader:
    def __init__(self, path: str) -> None:
        self._path = path

    def wrong(self, place: str, problem: str) -> MalformedSpecification:
        return MalformedSpecification(self._path, f"{place}: {problem}")

    def mapping(self, value: object, place: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong(place, text("expected a mapping, got {value}", value=type(value).__name__))
        return value

    def string(self, whole: Mapping[str, Any], key: str, place: str = "", default: str | None = None) -> str:
        value = whole.get(key, default)
        if not isinstance(value, str) or (default is None and not value):
            name = f"{place}.{key}" if place else key
            raise self.wrong(name, text("expected a string, got {value}", value=type(value).__name__))
        return value

    def integer(self, whole: Mapping[str, Any], key: str, place: str) -> int | None:
        value = whole.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.wrong(f"{place}.{key}", text("expected a number, got {value}", value=type(value).__name__))
        return value

    def items(self, whole: Mapping[str, Any], key: str, place: str = "") -> list[Any]:
        value = whole.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            name = f"{place}.{key}" if place else key
            raise self.wrong(name, text("expected a list, got {value}", value=type(value).__name__))
        return value

    def strings(self, whole: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
        found = self.items(whole, key, place)
        for item in found:
            if not isinstance(item, str):
                raise self.wrong(f"{place}.{key}", text("expected a string, got {value}", value=type(item).__name__))
        return tuple(found)

    def words(self, value: object, place: str) -> dict[str, str]:
        if value is None:
            return {}
        return {str(name): str(item) for name, item in self.mapping(value, place).items()}

    def absolute(self, whole: Mapping[str, Any], key: str, place: str) -> str:
        path = self.string(whole, key, place)
        if not path.startswith("/"):
            raise self.wrong(f"{place}.{key}", text("expected an absolute path, got {value}", value=path))
        return path

    def edits(self, value: object, place: str) -> Edits:
        if value is None:
            return Edits()
        whole = self.mapping(value, place)
        env = self.strings(whole, "env", place)
        for entry in env:
            if "=" not in entry[1:]:
                raise self.wrong(f"{place}.env", text("expected NAME=value, got {value}", value=entry))
        groups = self.items(whole, "additionalGids", place)
        if not all(isinstance(item, int) and item >= 0 for item in groups):
            raise self.wrong(f"{place}.additionalGids", text("expected numbers"))
        rdt = whole.get("intelRdt")
        return Edits(
            env=env,
            nodes=tuple(
                self.node(item, f"{place}.deviceNodes[{number}]")
                for number, item in enumerate(self.items(whole, "deviceNodes", place))
            ),
            mounts=tuple(
                self.mount(item, f"{place}.mounts[{number}]")
                for number, item in enumerate(self.items(whole, "mounts", place))
            ),
            hooks=tuple(
                self.hook(item, f"{place}.hooks[{number}]")
                for number, item in enumerate(self.items(whole, "hooks", place))
            ),
            # Group 0 is said nowhere: the specification asks that it be left out.
            groups=tuple(item for item in groups if item),
            net_devices=tuple(
                self.net_device(item, f"{place}.netDevices[{number}]")
                for number, item in enumerate(self.items(whole, "netDevices", place))
            ),
            intel_rdt={} if rdt is None else dict(self.mapping(rdt, f"{place}.intelRdt")),
        )

    def node(self, value: object, place: str) -> DeviceNode:
        whole = self.mapping(value, place)
        kind = self.string(whole, "type", place, "")
        if kind not in ("", "b", "c", "u", "p"):
            raise self.wrong(f"{place}.type", text("expected one of {known}, got {value}", known="b c u p", value=kind))
        access = self.string(whole, "permissions", place, "") or "rwm"
        if access.strip("rwm"):
            raise self.wrong(
                f"{place}.permissions", text("expected one of {known}, got {value}", known="rwm", value=access)
            )
        return DeviceNode(
            path=self.absolute(whole, "path", place),
            host_path=self.string(whole, "hostPath", place, ""),
            kind="c" if kind == "u" else kind,
            major=self.integer(whole, "major", place) or 0,
            minor=self.integer(whole, "minor", place) or 0,
            mode=self.integer(whole, "fileMode", place),
            access=access,
            uid=self.integer(whole, "uid", place),
            gid=self.integer(whole, "gid", place),
        )

    def mount(self, value: object, place: str) -> HostMount:
        whole = self.mapping(value, place)
        return HostMount(
            host_path=self.string(whole, "hostPath", place),
            path=self.absolute(whole, "containerPath", place),
            options=self.strings(whole, "options", place),
            type=self.string(whole, "type", place, ""),
        )

    def hook(self, value: object, place: str) -> Hook:
        whole = self.mapping(value, place)
        stage = self.string(whole, "hookName", place)
        if stage not in HOOKS:
            raise self.wrong(
                f"{place}.hookName", text("expected one of {known}, got {value}", known=", ".join(HOOKS), value=stage)
            )
        return Hook(
            stage=stage,
            path=self.absolute(whole, "path", place),
            args=self.strings(whole, "args", place),
            env=self.strings(whole, "env", place),
            timeout_s=self.integer(whole, "timeout", place) or 0,
        )

    def net_device(self, value: object, place: str) -> NetDevice:
        whole = self.mapping(value, place)
        return NetDevice(self.string(whole, "hostInterfaceName", place), self.string(whole, "name", place))
