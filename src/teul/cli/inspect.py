"""`teul inspect`: containers, images, networks and volumes as JSON, or through a Go template."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import NotFound, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine import Engine

USAGE = "[OPTIONS] NAME|ID [NAME|ID...]"
FLAGS = (
    Flag("format", "f", help="Output format: json, or a Go template such as {{.State.Status}}", metavar="string"),
    Flag("size", "s", "bool", help="Display total file sizes if the type is container"),
    Flag("type", help="Return JSON for this type: container, image, network or volume", metavar="string"),
)
TYPES = ("container", "image", "network", "volume")
_CONFIG: dict[str, object] = {
    **dict.fromkeys(("ExposedPorts", "Healthcheck", "OnBuild", "Shell", "StopTimeout", "Volumes")),
    **dict.fromkeys(("MacAddress", "StopSignal"), ""),
    **dict.fromkeys(("ArgsEscaped", "NetworkDisabled"), False),
}
_OMITTED: dict[str, dict[str, dict[str, object]]] = {
    "State": {
        "": {"SizeRw": None, "SizeRootFs": None},
        "State": {"Health": None},
        "Config": _CONFIG,
        "HostConfig": {
            **dict.fromkeys(("Links", "Mounts", "StorageOpt", "VolumesFrom")),
            **dict.fromkeys(("Cgroup", "Isolation", "VolumeDriver"), ""),
            **dict.fromkeys(("KernelMemory", "KernelMemoryTCP"), 0),
            "ConsoleSize": [0, 0],
        },
        "NetworkSettings": {
            **dict.fromkeys(("SecondaryIPAddresses", "SecondaryIPv6Addresses")),
            **dict.fromkeys(("Bridge", "LinkLocalIPv6Address"), ""),
            "HairpinMode": False,
            "LinkLocalIPv6PrefixLen": 0,
        },
    },
    "RootFS": {
        "": {"Container": "", "ContainerConfig": None, "OsVersion": "", "Variant": "", "VirtualSize": 0},
        "Config": _CONFIG,
    },
    "IPAM": {
        "": {
            **dict.fromkeys(("Attachable", "ConfigOnly", "Ingress"), False),
            **dict.fromkeys(("Peers", "Services")),
            "ConfigFrom": {"Network": ""},
        }
    },
    "Mountpoint": {"": dict.fromkeys(("ClusterVolume", "Status", "UsageData"))},
}
"""A field that tells what something is → its parts → the fields that they leave out when empty, as Docker's have them."""


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect

    names = expect(arguments, "inspect", at_least=1)
    kind = arguments.string("type")
    if kind and kind not in TYPES:
        raise UsageError(text('"{kind}" is not a valid value for --type', kind=kind), hint=text("teul inspect --help"))
    kinds = (kind,) if kind else TYPES
    return show(
        context, names, arguments.string("format"),
        lambda name: find(context.engine, name, kinds, with_size=arguments.flag("size")),
    )  # fmt: skip


def show(context: Context, names: list[str], template: str, look_up: Callable[[str], dict[str, Any]]) -> int:
    """Print what *look_up* finds for each name: one JSON list, or a line of the template for each."""
    import json

    found: list[dict[str, Any]] = []
    code = 0
    for name in names:
        try:
            found.append(look_up(name))
        except NotFound as error:
            code = 1
            context.say(text("teul: {message}", message=context.translate(error.message)))
    if template and template != "json":
        from teul.cli.templates import render_template

        for item in found:
            context.print(render_template(template, _omitting(item)))
    elif template == "json":
        for item in found:
            context.print(json.dumps(item, ensure_ascii=False, separators=(",", ":")))
    else:
        context.print(json.dumps(found, indent=4, ensure_ascii=False))
    return code


def _omitting(item: dict[str, Any]) -> dict[str, object]:
    """*item* for a template, which may ask for what Docker's JSON leaves out: `{{if .State.Health}}…`."""
    from teul.cli.templates import Omitting

    mark = next((name for name in _OMITTED if name in item), "")
    zeroes = _OMITTED.get(mark, {})
    made = Omitting(item, zeroes.get("", {}))
    for name, fields in zeroes.items():
        if name and isinstance(item.get(name), dict):
            made[name] = Omitting(item[name], fields)
    return made


def find(engine: Engine, name: str, kinds: tuple[str, ...], *, with_size: bool = False) -> dict[str, Any]:
    """The first thing called *name*, in the order of *kinds*.

    Raises:
        NotFound: none of them.
    """
    from teul.engine import inspection

    last: NotFound | None = None
    for kind in kinds:
        try:
            return inspection.describe(engine, kind, name, with_size=with_size)
        except NotFound as error:
            last = error
    if len(kinds) == 1 and last is not None:
        raise last
    raise NotFound(text("no such object: {name}", name=name))
