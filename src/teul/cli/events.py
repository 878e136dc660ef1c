"""`teul events`: what happened, and what happens, a line each."""

from __future__ import annotations

import time

from teul.cli.flags import Flag
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("filter", "f", "list", help="Filter output based on conditions provided", metavar="filter"),
    Flag("format", help="Output format: json, or a Go template such as {{.Action}}", metavar="string"),
    Flag("since", help="Show all events created since timestamp", metavar="string"),
    Flag("until", help="Stream events until this timestamp", metavar="string"),
)
FILTERS = ("container", "daemon", "event", "image", "label", "network", "scope", "type", "volume")


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine import event_log
    from teul.runtime.logs import parse_time

    expect(arguments, "events", exactly=0)
    keep = to_filter(arguments.strings("filter"))
    now = time.time()
    since = nanoseconds(parse_time(arguments.string("since"), now)) if arguments.string("since") else time.time_ns()
    until = nanoseconds(parse_time(arguments.string("until"), now)) if arguments.string("until") else None
    show = to_line(arguments.string("format"))
    try:
        for event in event_log.read(
            context.engine, since_ns=since, until_ns=until, follow=until is None or until > time.time_ns()
        ):
            if keep(event):
                context.print(show(event))
                context.stdout.flush()
    except KeyboardInterrupt:
        return 130
    return 0


def nanoseconds(stamp: str) -> int:
    """`2026-11-21T10:09:11.278091878Z` as nanoseconds since 1970."""
    import calendar

    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)


def to_filter(words: Sequence[str]) -> Callable[[dict[str, Any]], bool]:
    """What `--filter` words ask for: all keys must fit, of several words with one key any.

    Raises:
        InvalidInput: an unknown key.
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
        groups.setdefault(key, []).append(value)

    def keep(event: dict[str, Any]) -> bool:
        return all(
            (all if key == "label" else any)(_fits(event, key, value) for value in values)
            for key, values in groups.items()
        )

    return keep


def to_line(template: str) -> Callable[[dict[str, Any]], str]:
    """How an event is shown."""
    if template in ("json", "{{json .}}"):
        import json

        return lambda event: json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    if template:
        from teul.cli.templates import render_template

        return lambda event: render_template(template, _fields(event))
    return plain


def plain(event: dict[str, Any]) -> str:
    """Docker's line: time, kind, action, id and attributes."""
    seconds, nanoseconds_ = divmod(event["timeNano"], 1_000_000_000)
    local = time.localtime(seconds)
    zone = "Z" if not local.tm_gmtoff else time.strftime("%z", local)
    if len(zone) == 5:
        zone = f"{zone[:3]}:{zone[3:]}"
    attributes = event["Actor"]["Attributes"]
    said = f" ({', '.join(f'{name}={value}' for name, value in attributes.items())})" if attributes else ""
    return (
        f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{nanoseconds_:09d}{zone} "
        f"{event['Type']} {event['Action']} {event['Actor']['ID']}{said}"
    )


def _fields(event: dict[str, Any]) -> dict[str, Any]:
    """An event under the names of Docker's Go type."""
    return {
        "Status": event.get("status", ""),
        "ID": event.get("id", ""),
        "From": event.get("from", ""),
        "Type": event["Type"],
        "Action": event["Action"],
        "Actor": event["Actor"],
        "Scope": event["scope"],
        "Time": event["time"],
        "TimeNano": event["timeNano"],
    }


def _fits(event: dict[str, Any], key: str, value: str) -> bool:
    kind, action, actor = str(event["Type"]), str(event["Action"]), str(event["Actor"]["ID"])
    attributes: dict[str, str] = event["Actor"]["Attributes"]
    if key == "type":
        return kind == value
    if key == "event":
        return value in (action, action.partition(":")[0])
    if key == "scope":
        return value == "local"
    if key == "daemon":
        return False
    if key == "label":
        name, equals, wanted = value.partition("=")
        return name in attributes and (not equals or attributes[name] == wanted)
    if key == "image":
        names = (attributes.get("image", ""), attributes.get("name", "") if kind == "image" else "", actor)
        return any(name in (value, f"{value}:latest") or name.partition(":")[0] == value for name in names if name)
    if kind == key:
        return actor.startswith(value) or attributes.get("name") == value
    return key == "container" and attributes.get("container", "").startswith(value)
