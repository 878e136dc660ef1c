"""`teul diff`: what a container has changed, in Docker's letters: A added, C changed, D deleted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "CONTAINER"
FLAGS = ()


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.containers import diff

    (container,) = expect(arguments, "diff", exactly=1)
    for kind, path in diff(context.engine, container):
        context.print(kind, path)
    return 0
