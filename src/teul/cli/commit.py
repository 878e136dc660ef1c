"""`teul commit`: an image out of a container; its id on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]"
FLAGS = (
    Flag("author", "a", help='Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', metavar="string"),
    Flag("change", "c", "list", help="Apply Dockerfile instruction to the created image", metavar="list"),
    Flag("message", "m", help="Commit message", metavar="string"),
    Flag("no-pause", kind="bool", help="Do not pause the container during commit"),
    Flag("pause", "p", "bool", default=True, hidden=True),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.engine.containers import commit

    if not 1 <= len(arguments.rest) <= 2:
        raise UsageError(
            text('"teul {command}" requires at least {count} argument(s)', command="commit", count=1),
            hint=text("teul {command} --help", command="commit"),
        )
    container, name = [*arguments.rest, ""][:2]
    image = commit(
        context.engine,
        container,
        name,
        author=arguments.string("author"),
        message=arguments.string("message"),
        changes=arguments.strings("change"),
        pauses=arguments.flag("pause") and not arguments.flag("no-pause"),
    )
    context.print(image.id)
    return 0
