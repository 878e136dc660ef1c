"""`teul import`: an image out of a tar with a file tree, from a file, a URL or stdin; its id on stdout."""

from __future__ import annotations

import sys

from teul.cli.flags import Flag
from teul.errors import InvalidInput, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]"
FLAGS = (
    Flag("change", "c", "list", help="Apply Dockerfile instruction to the created image", metavar="list"),
    Flag("message", "m", help="Set commit message for imported image", metavar="string"),
    Flag("platform", help="Set platform if server is multi-platform capable", metavar="string"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.engine.images import import_

    if not 1 <= len(arguments.rest) <= 2:
        raise UsageError(
            text('"teul {command}" requires at least {count} argument(s)', command="import", count=1),
            hint=text("teul {command} --help", command="import"),
        )
    source, name = [*arguments.rest, ""][:2]
    message = arguments.string("message") or f"Imported from {source}"
    changes = arguments.strings("change")
    platform = arguments.string("platform")
    if source == "-":
        stream = sys.stdin.buffer
        image = import_(context.engine, stream, name, message=message, changes=changes, platform=platform)
    elif source.startswith(("http://", "https://")):
        from teul.engine.images.importing import fetched

        with fetched(context.engine, source, events=context.sink(title=source)) as file:
            image = import_(context.engine, file, name, message=message, changes=changes, platform=platform)
    else:
        try:
            with open(source, "rb") as file:
                image = import_(context.engine, file, name, message=message, changes=changes, platform=platform)
        except FileNotFoundError as error:
            raise InvalidInput(text("file `{path}`: {problem}", path=source, problem=error.strerror)) from error
    context.print(image.id)
    return 0
