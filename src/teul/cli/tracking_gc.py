"""`teul tracking gc`: remove for good what was deleted, and the artifacts that nothing names any more."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("older-than", help="Only what was deleted at least so long ago, such as 30d", metavar="DURATION"),
    Flag("run", kind="list", help="Only this deleted run", metavar="RUN"),
    Flag("models", kind="bool", help="Also logged models that nobody deleted but whose run is gone"),
    Flag("dry-run", kind="bool", help="Say what would go, and remove nothing"),
    Flag("forget", help="Let go of the artifacts of a store in PostgreSQL that is gone for good", metavar="STORE"),
    Flag("force", "f", kind="bool", help="Do not prompt for confirmation"),
)


def run(arguments: Arguments, context: Context) -> int:
    """As `mlflow gc`; a run whose files a model version stands on is kept."""
    from teul.cli.positionals import expect
    from teul.cli.tracking_token_create import seconds
    from teul.cli.units import human_size
    from teul.engine.system import collect
    from teul.ml.promotion import who
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.keeping import absent

    expect(arguments, "tracking gc", exactly=0)
    if arguments.string("forget"):
        return _forget(arguments, context)
    older_than = arguments.string("older-than")
    for keeper in absent(context.settings):
        context.say(
            text(
                "artifacts are kept for tracking store {store} ({location}); if it is gone for good:"
                " teul tracking gc --forget {store}",
                store=keeper.id[:12],
                location=keeper.location,
            )
        )
    if not context.settings.has_tracking:
        return 0
    is_dry = arguments.flag("dry-run")
    with TrackingStore.of(context.settings) as store:
        runs = [store.find_run(name).id for name in arguments.strings("run")]
        made = store.clean(
            older_than_s=seconds(older_than) if older_than else 0,
            run_ids=runs,
            with_orphans=arguments.flag("models"),
            is_dry=is_dry,
            who=who(),
        )
        freed = 0 if is_dry else store.collect()[1]
    if not is_dry:
        freed += collect(context.engine, events=context.sink("quiet")).size_bytes
    for kind, ids in (("run", made.runs), ("experiment", made.experiments), ("model", made.models)):
        for item in ids:
            context.print(f"{kind}  {item}")
    for item in made.kept:
        context.say(text("run {run_id} is kept: a model version stands on its files", run_id=item))
    if made.orphans:
        context.say(
            text(
                "logged models are kept although their run is gone: {count}; --models removes them",
                count=len(made.orphans),
            )
        )
    if not is_dry:
        context.say(text("freed: {size}", size=human_size(freed)))
    return 0


def _forget(arguments: Arguments, context: Context) -> int:
    """Nobody can tell a server that is down from one that is gone, so a person has to say so."""
    from teul.cli.pruning import is_confirmed
    from teul.cli.units import human_size
    from teul.engine.system import collect
    from teul.ml.tracking.keeping import forget

    wanted = arguments.string("forget")
    if arguments.given - {"forget", "force"}:
        raise UsageError(text("--forget goes alone"), hint="teul tracking gc --help")
    warning = text("WARNING! This will remove all artifacts that only tracking store {store} has", store=wanted)
    if not arguments.flag("force") and not is_confirmed(context, warning):
        return 0
    context.print(f"store  {forget(context.settings, wanted).id}")
    freed = collect(context.engine, events=context.sink("quiet")).size_bytes
    context.say(text("freed: {size}", size=human_size(freed)))
    return 0
