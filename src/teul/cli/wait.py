"""`teul wait`: the exit codes on stdout, one a line."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import InvalidInput, TeulError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "CONTAINER [CONTAINER...]"
FLAGS = (
    Flag(
        "condition", help="What to wait for: not-running, next-exit or removed", default="not-running", metavar="string"
    ),
)
CONDITIONS = ("not-running", "next-exit", "removed")


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.main import report
    from teul.cli.positionals import expect
    from teul.engine.containers import wait

    condition = arguments.string("condition")
    if condition not in CONDITIONS:
        raise InvalidInput(text("invalid condition: `{value}`", value=condition))
    code = 0
    for name in expect(arguments, "wait", at_least=1):
        try:
            context.print(wait(context.engine, name, condition=condition))
        except TeulError as error:
            report(error, context)
            code = 1
    return code
