"""`teul rm`: Docker's flags; the names as they were given on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import ContainerNotFound, OptionUnsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER [CONTAINER...]"
FLAGS = (
    Flag("force", "f", "bool", help="Force the removal of a running container (uses SIGKILL)"),
    Flag("link", "l", "bool", hidden=True),
    Flag("volumes", "v", "bool", help="Remove anonymous volumes associated with the container"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.each import for_each
    from teul.cli.positionals import expect
    from teul.engine.containers import remove

    names = expect(arguments, "rm", at_least=1)
    if arguments.flag("link"):
        raise OptionUnsupported("--link")
    force = arguments.flag("force")
    with_volumes = arguments.flag("volumes")
    return for_each(
        context,
        names,
        lambda name: remove(context.engine, name, force=force, with_volumes=with_volumes),
        # Docker: forced, a container that is not there is said so and no failure.
        harmless=(ContainerNotFound,) if force else (),
    )
