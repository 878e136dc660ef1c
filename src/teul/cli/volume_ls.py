"""`teul volume ls`: Docker's table of volumes."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine.volumes import Volume

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("filter", "f", "list", help='Provide filter values (e.g. "dangling=true")', metavar="filter"),
    Flag("format", help="Output format: table, json, or a Go template such as {{.Name}}", metavar="string"),
    Flag("quiet", "q", "bool", help="Only display volume names"),
)
HEADINGS = {"Driver": "DRIVER", "Name": "VOLUME NAME"}
FILTERS = ("dangling", "driver", "label", "name")


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.templates import render_records
    from teul.engine import volumes

    engine = context.engine
    filters = arguments.strings("filter")
    for word in filters:
        key, _, value = word.partition("=")
        if key not in FILTERS or (key == "dangling" and value not in ("true", "1", "false", "0")):
            raise InvalidInput(text("invalid filter '{key}'", key=word if key in FILTERS else key))
    used = volumes.in_use(engine) if any(word.startswith("dangling=") for word in filters) else set()
    found = [volume for volume in volumes.list_volumes(engine) if _fits(volume, filters, used)]
    if arguments.flag("quiet"):
        for volume in found:
            context.print(volume.name)
        return 0
    records: list[dict[str, object]] = [
        {
            "Driver": "local",
            "Name": volume.name,
            "Mountpoint": volume.mountpoint,
            "Scope": "local",
            "Labels": ",".join(f"{name}={value}" for name, value in volume.labels.items()),
            # Docker's, for what `system df` alone finds out, and a cluster's volumes.
            **dict.fromkeys(("Availability", "Group", "Links", "Size", "Status"), "N/A"),
        }
        for volume in found
    ]
    shown = render_records(arguments.string("format"), HEADINGS, records)
    if shown:
        context.print(shown)
    return 0


def _fits(volume: Volume, filters: list[str], used: set[str]) -> bool:
    """As Docker: of several values of one filter any may fit (of labels all must), and every filter must."""
    from teul.cli.ps import matches

    found: dict[str, bool] = {}
    for word in filters:
        key, _, value = word.partition("=")
        if key == "dangling":
            fits = (volume.name not in used) == (value in ("true", "1"))
        elif key == "name":
            fits = matches(value, volume.name)
        elif key == "driver":
            fits = value == "local"
        else:
            name, equals, wanted = value.partition("=")
            fits = name in volume.labels and (not equals or volume.labels[name] == wanted)
        found[key] = (found.get(key, True) and fits) if key == "label" else (found.get(key, False) or fits)
    return all(found.values())
