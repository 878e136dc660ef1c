"""`teul top`: the processes of a container, as the host's `ps` tells them, in Docker's columns."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "CONTAINER [ps OPTIONS]"
INTERSPERSED = False
FLAGS = ()
COLUMN_WIDTH = 20
GAP = 3


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.containers import top

    container, *words = expect(arguments, "top", at_least=1)
    headings, rows = top(context.engine, container, words)
    lines = [headings, *rows]
    widths = [
        max(COLUMN_WIDTH, *(len(line[column]) + GAP for line in lines if column < len(line)))
        for column in range(len(headings))
    ]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)]
        context.print("".join([*cells, line[-1]]))
    return 0
