"""`teul models reject`: keep a version out of production, by name, with a reason."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "--why TEXT MODEL VERSION"
FLAGS = (Flag("why", help="Why, for the history; a rejection needs it", metavar="TEXT"),)


def run(arguments: Arguments, context: Context) -> int:
    """A version that is in production stays there until somebody moves the alias."""
    from teul.cli.models_approve import decide

    return decide(arguments, context, "models reject", "rejected")
