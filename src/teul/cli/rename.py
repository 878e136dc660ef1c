"""`teul rename`: give a container another name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "CONTAINER NEW_NAME"
FLAGS = ()


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.containers import rename

    container, name = expect(arguments, "rename", exactly=2)
    rename(context.engine, container, name)
    return 0
