"""`teul ps`: Docker's table of containers."""

from __future__ import annotations

import time

from teul.cli.flags import Flag
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.network.ports import PortMapping

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("all", "a", "bool", help="Show all containers (default shows just running)"),
    Flag("filter", "f", "list", help="Filter output based on conditions provided", metavar="filter"),
    Flag("format", help="Output format: table, json, or a Go template such as {{.Names}}", metavar="string"),
    Flag("last", "n", "int", help="Show n last created containers (includes all states)", default=-1, metavar="int"),
    Flag("latest", "l", "bool", help="Show the latest created container (includes all states)"),
    Flag("no-trunc", kind="bool", help="Don't truncate output"),
    Flag("quiet", "q", "bool", help="Only display container IDs"),
    Flag("size", "s", "bool", help="Display total file sizes"),
)
HEADINGS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
}
MORE_HEADINGS = {
    "Size": "SIZE", "CreatedAt": "CREATED AT", "Labels": "LABELS", "Mounts": "MOUNTS", "Networks": "NETWORKS",
    "State": "STATE", "LocalVolumes": "LOCAL VOLUMES", "Platform": "PLATFORM",
}  # fmt: skip
COMMAND_WIDTH = 20
FILTERS = (
    *("id", "name", "label", "status", "exited", "ancestor", "network", "volume", "publish", "expose"),
    *("before", "since", "health", "is-task", "isolation"),
)
WORDS = {
    "status": ("created", "running", "paused", "restarting", "removing", "exited", "dead"),
    "health": ("starting", "healthy", "unhealthy", "none"),
}
"""What the value of a filter may be, where it is one of a few words."""


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.templates import render_records
    from teul.engine.containers import list_containers

    engine = context.engine
    words = arguments.strings("filter")
    count = 1 if arguments.flag("latest") else arguments.integer("last")
    limit = -1 if count is None else count
    # As Docker: a filter by state, or a wish for the last ones, looks at all.
    shows_all = arguments.flag("all") or limit > 0 or any(word.startswith(("status=", "exited=")) for word in words)
    found = list_containers(engine, all=shows_all)
    keep = to_filter(engine, words, list_containers(engine, all=True) if _is_relative(words) else found)
    found = [container for container in found if keep(container)]
    if limit > 0:
        found = found[:limit]
    full = arguments.flag("no-trunc")
    template = arguments.string("format")
    if arguments.flag("quiet") and not template:
        for container in found:
            context.print(container.id if full else container.short_id)
        return 0
    now = time.time()
    with_size = arguments.flag("size") or ".Size" in template
    records = [to_record(engine, container, now=now, full=full, with_size=with_size) for container in found]
    headings = dict(HEADINGS)
    if arguments.flag("size"):
        headings["Size"] = MORE_HEADINGS["Size"]
    if template.startswith("table "):
        headings |= MORE_HEADINGS
    shown = render_records(template, headings, records)
    if shown:
        context.print(shown)
    return 0


def to_record(
    engine: Engine, container: Container, *, now: float, full: bool = False, with_size: bool = False
) -> dict[str, object]:
    """A container as `--format` sees it."""
    from teul.cli.units import human_age
    from teul.network.ports import show_ports

    # Docker's own spelling: single quotes around what has a space, then double quotes around it all.
    command = quote(" ".join(f"'{word}'" if " " in word else word for word in container.args))
    mounts = [mount.name or mount.source for mount in container.mounts if mount.kind != "tmpfs"]
    return {
        "ID": container.id if full else container.short_id,
        "Image": _image(container, full=full),
        "Command": command if full else ellipsis(command, COMMAND_WIDTH),
        "RunningFor": human_age(now - container.created_at),
        "CreatedAt": time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(container.created_at)),
        "Status": status_text(container, now, engine),
        "State": "paused" if container.paused else container.status,
        "Ports": show_ports(container.ports, container.exposed_ports) if container.is_running else "",
        "Names": container.name,
        "Labels": ",".join(f"{name}={value}" for name, value in container.labels.items()),
        "Mounts": ",".join(mount if full or len(mount) <= 15 else ellipsis(mount, 15) for mount in mounts),
        "Networks": ",".join(place.network for place in container.places) or container.network_mode,
        "LocalVolumes": str(sum(mount.kind == "volume" for mount in container.mounts)),
        "Size": _size(engine, container) if with_size else "0B",
        "Platform": "linux",
    }


def status_text(container: Container, now: float, engine: Engine | None = None) -> str:
    """The STATUS column: `Up 3 minutes`, `Exited (0) 2 hours ago`, `Created`."""
    from teul.cli.units import human_age, human_duration

    if container.is_running:
        said = _health_text(engine, container) if engine is not None else ""
        # Docker shows one of the two.
        said = " (Paused)" if container.paused else said
        return f"Up {human_duration(now - container.started_at)}{said}"
    if container.status == "restarting":
        return f"Restarting ({container.exit_code}) {human_age(now - container.finished_at)}"
    if container.status == "created":
        return "Created"
    if container.status == "dead":
        return "Dead"
    return f"Exited ({container.exit_code}) {human_age(now - container.finished_at)}"


def _health_text(engine: Engine, container: Container) -> str:
    status = health_of(engine, container)
    if status == "none":
        return ""
    return " (health: starting)" if status == "starting" else f" ({status})"


def health_of(engine: Engine, container: Container) -> str:
    """`starting`, `healthy`, `unhealthy`, or `none` for a container without checks."""
    if not container.healthcheck or container.healthcheck["Test"][0] == "NONE":
        return "none"
    from teul.engine.containers.lookup import bundle_of
    from teul.engine.supervision import health

    return health.load(bundle_of(engine, container.id)).status


def to_filter(engine: Engine, words: Sequence[str], known: Sequence[Container]) -> Callable[[Container], bool]:
    """What `--filter` words ask for: all keys must fit, of several words with one key any.

    Raises:
        InvalidInput: an unknown key, or a value that it cannot have.
    """
    groups: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(
                text("invalid argument `{value}` for `{flag}` flag: expected key=value", value=word, flag="-f")
            )
        if key not in FILTERS:
            raise InvalidInput(text("invalid filter '{key}'", key=key))
        if (key in WORDS and value not in WORDS[key]) or (key == "exited" and not value.removeprefix("-").isdigit()):
            raise InvalidInput(text("invalid filter '{key}'", key=word))
        if key in ("publish", "expose"):
            _is_in(0, "", value)
        groups.setdefault(key, []).append(value)

    def keep(container: Container) -> bool:
        for key, values in groups.items():
            fits = all if key == "label" else any
            if not fits(_fits(engine, container, key, value, known) for value in values):
                return False
        return True

    return keep


def quote(word: str) -> str:
    """In double quotes, as Go's strconv.Quote."""
    import json

    return json.dumps(word, ensure_ascii=False)


def ellipsis(word: str, length: int) -> str:
    return word if len(word) <= length else word[: length - 1] + "…"


def _fits(engine: Engine, container: Container, key: str, value: str, known: Sequence[Container]) -> bool:
    if key == "id":
        return container.id.startswith(value)
    if key == "name":
        return matches(value, container.name)
    if key == "label":
        name, equals, wanted = value.partition("=")
        return name in container.labels and (not equals or container.labels[name] == wanted)
    if key == "status":
        return ("paused" if container.paused else container.status) == value
    if key == "exited":
        return container.status == "exited" and str(container.exit_code) == value
    if key == "health":
        return health_of(engine, container) == value
    if key == "ancestor":
        found = engine.images.find(value)
        return container.image_name == value or (found is not None and container.image == found.id)
    if key == "network":
        return value == container.network_mode or any(
            value == place.network or place.network_id.startswith(value) for place in container.places
        )
    if key == "volume":
        return any(value in (mount.name, mount.target) for mount in container.mounts)
    if key == "publish":
        return any(_is_in(port.host_port, port.protocol, value) for port in _open_ports(container))
    if key == "is-task":
        # A task is a container that a swarm made; there is none.
        return value.lower() in ("0", "f", "false")
    if key == "isolation":
        return value in ("", "default")
    if key == "expose":
        exposed = [port.partition("/")[::2] for port in container.exposed_ports] if container.is_running else []
        return any(_is_in(int(number), protocol or "tcp", value) for number, protocol in exposed) or any(
            _is_in(port.container_port, port.protocol, value) for port in _open_ports(container)
        )
    other = next((item for item in known if value == item.name or item.id.startswith(value)), None)
    if other is None:
        raise InvalidInput(text("no such container: {name}", name=value))
    return container.created_at < other.created_at if key == "before" else container.created_at > other.created_at


def _open_ports(container: Container) -> Sequence[PortMapping]:
    return container.ports if container.is_running else ()


def _is_in(number: int, protocol: str, word: str) -> bool:
    """Whether a port is one of *word*: `80`, `80/udp`, `80-90/tcp`.

    Raises:
        InvalidInput: with Docker's words.
    """
    ports, _, wanted = word.partition("/")
    first, _, last = ports.partition("-")
    if not (first.isascii() and first.isdigit() and (not last or (last.isascii() and last.isdigit()))):
        raise InvalidInput(text("invalid filter '{key}'", key=word))
    return int(first) <= number <= int(last or first) and protocol == (wanted or "tcp")


def matches(pattern: str, name: str) -> bool:
    """Docker's name filter: a regular expression found anywhere in the name, with or without the daemon's slash."""
    import re

    try:
        return re.search(pattern, name) is not None or re.search(pattern, f"/{name}") is not None
    except re.error:
        return pattern in name


def _is_relative(words: Sequence[str]) -> bool:
    return any(word.startswith(("before=", "since=")) for word in words)


def _image(container: Container, *, full: bool) -> str:
    name = container.image_name
    if name.startswith("sha256:"):
        return name if full else name[7:19]
    return name


def _size(engine: Engine, container: Container) -> str:
    from teul.cli.units import human_size
    from teul.errors import NotFound

    try:
        own = engine.snapshots.usage_bytes(container.id)
        image = engine.images.get(container.image).size_bytes
    except NotFound:
        return "0B"
    return f"{human_size(own)} (virtual {human_size(own + image)})"
