"""`teul stats`: what containers take, once or again and again."""

from __future__ import annotations

import time

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.engine.containers.usage import Usage

USAGE = "[OPTIONS] [CONTAINER...]"
FLAGS = (
    Flag("all", "a", "bool", help="Show all containers (default shows just running)"),
    Flag("format", help="Output format: table, json, or a Go template such as {{.Name}}", metavar="string"),
    Flag("no-stream", kind="bool", help="Disable streaming stats and only pull the first result"),
    Flag("no-trunc", kind="bool", help="Do not truncate output"),
)
HEADINGS = {
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
FIRST_INTERVAL_S = 0.5
INTERVAL_S = 1.0
CLEAR = "\033[H\033[J"


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.templates import render_records
    from teul.engine.containers.usage import sample

    engine = context.engine
    names = arguments.rest
    before: dict[str, Usage] = {}
    is_first = True
    template = arguments.string("format")
    try:
        while True:
            found = _containers(engine, names, shows_all=arguments.flag("all"))
            new = [container for container, _ in found if container.id not in before]
            if new:
                before |= {container.id: sample(engine, container) for container in new}
                if is_first:
                    time.sleep(FIRST_INTERVAL_S)
            now = {container.id: sample(engine, container) for container, _ in found}
            records = [
                to_record(container, asked, now[container.id], before[container.id], full=arguments.flag("no-trunc"))
                for container, asked in found
            ]
            before = now
            shown = render_records(
                template, {**HEADINGS, **MORE} if template.startswith("table ") else HEADINGS, records
            )
            if not arguments.flag("no-stream"):
                context.stdout.write(CLEAR)
            if shown:
                context.print(shown)
            context.stdout.flush()
            if arguments.flag("no-stream"):
                return 0
            is_first = False
            time.sleep(INTERVAL_S)
    except KeyboardInterrupt:
        # Docker's way out of it, and no failure.
        return 0


MORE = {"Container": "CONTAINER"}


def to_record(container: Container, asked: str, now: Usage, before: Usage, *, full: bool) -> dict[str, object]:
    """A container's counters as `--format` sees them."""
    from teul.cli.units import human_memory, human_size

    return {
        "BlockIO": f"{human_size(now.read_bytes)} / {human_size(now.written_bytes)}",
        "CPUPerc": f"{now.cpu_ratio(before) * 100:.2f}%",
        "Container": asked,
        "ID": container.id if full else container.short_id,
        "MemPerc": f"{now.memory_ratio * 100:.2f}%",
        "MemUsage": f"{human_memory(now.memory_bytes)} / {human_memory(now.memory_limit_bytes)}",
        "Name": container.name,
        "NetIO": f"{human_size(now.received_bytes)} / {human_size(now.sent_bytes)}",
        "PIDs": str(now.pids),
    }


def _containers(engine: Engine, names: Sequence[str], *, shows_all: bool) -> list[tuple[Container, str]]:
    """The containers and what they were asked for by."""
    from teul.engine.containers import get, list_containers

    if names:
        return [(get(engine, name), name) for name in names]
    return [(container, container.short_id) for container in list_containers(engine, all=shows_all)]
