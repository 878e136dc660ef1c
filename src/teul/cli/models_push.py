"""`teul models push`: a version to a registry, as an OCI artifact."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] MODEL REFERENCE"
FLAGS = (
    Flag("version", help="The version to push; default: the one in production", metavar="VERSION"),
    Flag("quiet", "q", kind="bool", help="Only display the digest"),
)


def run(arguments: Arguments, context: Context) -> int:
    """Files that the registry has already are not sent."""
    from teul.cli.models_promote import open_model
    from teul.cli.positionals import expect
    from teul.cli.units import human_size
    from teul.ml.model_artifact import push

    name, reference = expect(arguments, "models push", exactly=2)
    with open_model(context, name) as store:
        wanted = arguments.string("version")
        version = store.get_model_version(name, wanted) if wanted else store.alias(name, "production")
        if version is None:
            raise InvalidInput(
                text("nothing of model `{name}` is in production", name=name),
                hint=text("say which version: --version N"),
            )
        sink = context.sink("quiet" if arguments.flag("quiet") else "auto", title="push")
        made = push(context.engine, store, version, reference, events=sink)
    if arguments.flag("quiet"):
        context.print(made.digest)
    else:
        context.print(f"{made.reference}: digest: {made.digest} sent: {human_size(made.sent_bytes)}")
    return 0
