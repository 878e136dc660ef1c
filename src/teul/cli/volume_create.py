"""`teul volume create`: the name on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] [VOLUME]"
FLAGS = (
    Flag("driver", "d", help="Specify volume driver name: local", default="local", metavar="string"),
    Flag("label", kind="list", help="Set metadata for a volume", metavar="list"),
    Flag("name", hidden=True),
    Flag("opt", "o", "list", help="Set driver specific options", metavar="map"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.container_flags import pairs
    from teul.engine import volumes

    names = arguments.rest or ([arguments.string("name")] if arguments.string("name") else [])
    if len(names) > 1:
        raise UsageError(
            text('"teul {command}" requires at most {count} argument(s)', command="volume create", count=1),
            hint=text("teul volume create --help"),
        )
    volume = volumes.create(
        context.engine,
        names[0] if names else "",
        driver=arguments.string("driver"),
        labels=pairs(arguments.strings("label")),
        options=pairs(arguments.strings("opt")),
    )
    context.print(volume.name)
    return 0
