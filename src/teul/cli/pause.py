"""`teul pause`: freeze containers; the names as they were given on stdout."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "CONTAINER [CONTAINER...]"
FLAGS = ()


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.each import for_each
    from teul.cli.positionals import expect
    from teul.engine.containers import pause

    names = expect(arguments, "pause", at_least=1)
    return for_each(context, names, lambda name: pause(context.engine, name))
