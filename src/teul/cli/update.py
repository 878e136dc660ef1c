"""`teul update`: other limits and another restart policy for containers, running or not."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.cli.limit_flags import UPDATABLE
from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER [CONTAINER...]"
FLAGS = (*UPDATABLE, Flag("restart", help="Restart policy to apply when a container exits", metavar="string"))


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.each import for_each
    from teul.cli.limit_flags import read_limits
    from teul.cli.positionals import expect
    from teul.engine.containers import update

    names = expect(arguments, "update", at_least=1)
    if not arguments.given:
        raise UsageError(
            text("you must provide one or more flags when using this command"),
            hint=text("teul {command} --help", command="update"),
        )
    restart = check_restart(arguments.string("restart"))
    read_limits(arguments)
    return for_each(
        context,
        names,
        lambda name: update(context.engine, name, lambda limits: read_limits(arguments, base=limits), restart=restart),
    )


def check_restart(value: str) -> str:
    """*value*, when it is a restart policy.

    Raises:
        InvalidInput: with Docker's words.
    """
    from teul.engine.supervision import policy

    policy.parse(value)
    return value
