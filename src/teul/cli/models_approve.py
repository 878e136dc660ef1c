"""`teul models approve`: let a version in, by name, with a reason."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] MODEL VERSION"
FLAGS = (Flag("why", help="Why, for the history", metavar="TEXT"),)


def run(arguments: Arguments, context: Context) -> int:
    """It does not promote: `teul models promote` or the next `teul up` does."""
    return decide(arguments, context, "models approve", "approved")


def decide(arguments: Arguments, context: Context, command: str, verdict: str) -> int:
    """Record *verdict* on a version."""
    from teul.cli.models_promote import open_model
    from teul.cli.positionals import expect
    from teul.ml.promotion import keep_card, who

    name, version = expect(arguments, command, exactly=2)
    with open_model(context, name) as store:
        said = store.decide(name, version, verdict, who=who(), reason=arguments.string("why"))
        keep_card(store, store.get_model_version(name, version))
    context.print(f"{name}  {said.version}  {said.verdict}  {said.who}")
    return 0
