"""`teul wait`: the exit codes on stdout, one a line."""

from __future__ import annotations

from teul.errors import TeulError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "CONTAINER [CONTAINER...]"
FLAGS = ()


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.main import report
    from teul.cli.positionals import expect
    from teul.engine.containers import wait

    code = 0
    for name in expect(arguments, "wait", at_least=1):
        try:
            context.print(wait(context.engine, name))
        except TeulError as error:
            report(error, context)
            code = 1
    return code
