"""`teul network ls`: Docker's table of networks."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("filter", "f", "list", help='Provide filter values (e.g. "driver=bridge")', metavar="filter"),
    Flag("format", help="Output format: table, json, or a Go template such as {{.Name}}", metavar="string"),
    Flag("no-trunc", kind="bool", help="Do not truncate the output"),
    Flag("quiet", "q", "bool", help="Only display network IDs"),
)
HEADINGS = {"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE"}


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.templates import render_records
    from teul.cli.times import local_time
    from teul.engine import inspection, networks

    engine = context.engine
    full = arguments.flag("no-trunc")
    filters = arguments.strings("filter")
    used = networks.in_use(engine) if any(word.startswith("dangling=") for word in filters) else set()
    records: list[dict[str, object]] = [
        {
            "ID": network.id,
            "Name": network.name,
            "Driver": network.driver,
            "Scope": "local",
            "CreatedAt": local_time(network.created_at),
            "IPv6": "true" if network.subnet6 else "false",
            "Internal": "true" if network.internal else "false",
            "Labels": ",".join(f"{name}={value}" for name, value in network.labels.items()),
            "labels": dict(network.labels),
            "dangling": network.name not in ("bridge", *used),
        }
        for network in networks.list_networks(engine)
    ]
    records += [
        {
            "ID": inspection.pseudo_network_id(engine, name),
            "Name": name,
            "Driver": "null" if name == "none" else name,
            "Scope": "local",
            "CreatedAt": "",
            "IPv6": "false",
            "Internal": "false",
            "Labels": "",
            "labels": {},
            "dangling": False,
        }
        for name in inspection.PSEUDO_NETWORKS
    ]
    records = sorted(
        (record for record in records if _fits(record, filters)),
        key=lambda record: str(record["Name"]),
    )
    for record in records:
        del record["labels"], record["dangling"]
        if not full:
            record["ID"] = str(record["ID"])[:12]
    if arguments.flag("quiet"):
        for record in records:
            context.print(record["ID"])
        return 0
    shown = render_records(arguments.string("format"), HEADINGS, records)
    if shown:
        context.print(shown)
    return 0


def _fits(record: dict[str, object], filters: list[str]) -> bool:
    """As Docker: of several values of one filter any may fit (of labels all must), and every filter must."""
    from teul.cli.ps import matches

    found: dict[str, bool] = {}
    for word in filters:
        key, _, value = word.partition("=")
        if key == "name":
            fits = matches(value, str(record["Name"]))
        elif key == "id":
            fits = str(record["ID"]).startswith(value)
        elif key == "driver":
            fits = record["Driver"] == value
        elif key == "dangling":
            if value.lower() not in ("true", "1", "false", "0"):
                raise InvalidInput(text("invalid filter '{key}'", key=word))
            fits = record["dangling"] == (value.lower() in ("true", "1"))
        elif key == "scope":
            fits = value == "local"
        elif key == "type":
            if value not in ("builtin", "custom"):
                raise InvalidInput(text("invalid filter: 'type'='{value}'", value=value))
            fits = (value == "builtin") == (record["Name"] in ("bridge", "host", "none"))
        elif key == "label":
            labels = record["labels"]
            assert isinstance(labels, dict)
            name, equals, wanted = value.partition("=")
            fits = name in labels and (not equals or labels[name] == wanted)
        else:
            raise InvalidInput(text("invalid filter '{key}'", key=key))
        found[key] = (found.get(key, True) and fits) if key == "label" else (found.get(key, False) or fits)
    return all(found.values())
