"""`teul models pull`: a model from a registry, as a new version."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] REFERENCE"
FLAGS = (
    Flag("name", help="Register it as this model; default: the name it had", metavar="MODEL"),
    Flag("quiet", "q", kind="bool", help="Only display the model and the version"),
)


def run(arguments: Arguments, context: Context) -> int:
    """A gate that failed where it came from has failed here, too; approvals do not travel."""
    from teul.cli.positionals import expect
    from teul.ml.model_artifact import pull
    from teul.ml.promotion import who
    from teul.ml.tracking import TrackingStore

    (reference,) = expect(arguments, "models pull", exactly=1)
    with TrackingStore.of(context.settings) as store:
        sink = context.sink("quiet" if arguments.flag("quiet") else "auto", title="pull")
        made = pull(context.engine, store, reference, name=arguments.string("name"), who=who(), events=sink)
    if not made.is_new and not arguments.flag("quiet"):
        context.say(text("it was pulled before"))
    context.print(f"{made.version.name}  {made.version.version}")
    return 0
