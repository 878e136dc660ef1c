"""`teul models rollback`: point an alias back at the version before."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] MODEL"
FLAGS = (
    Flag("alias", help="The alias to move", default="production"),
    Flag("why", help="Why, for the history", metavar="TEXT"),
)


def run(arguments: Arguments, context: Context) -> int:
    """Once more goes back once more."""
    from teul.cli.models_promote import open_model, say_moved
    from teul.cli.positionals import expect
    from teul.ml.promotion import who

    (name,) = expect(arguments, "models rollback", exactly=1)
    alias = arguments.string("alias")
    with open_model(context, name) as store:
        before, after = store.rollback(name, alias, who=who(), reason=arguments.string("why"))
    say_moved(context, name, alias, str(before), str(after))
    return 0
