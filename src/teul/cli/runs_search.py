"""`teul runs search FILTER`: `runs ls` with MLflow's search grammar as its argument."""

from __future__ import annotations

from teul.cli.runs import FLAGS as LIST_FLAGS
from teul.cli.runs import list_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] FILTER"
FLAGS = tuple(flag for flag in LIST_FLAGS if flag.name != "filter")


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect

    (wanted,) = expect(arguments, "runs search", exactly=1)
    return list_runs(arguments, context, wanted)
