"""`teul models promote`: point an alias at a version. A name moves; no bytes do."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import ModelNotFound, TrackingNotFound, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.ml.tracking import TrackingStore

USAGE = "[OPTIONS] MODEL VERSION"
FLAGS = (
    Flag("alias", help="The alias to move", default="production"),
    Flag("why", help="Why, for the history", metavar="TEXT"),
)


def run(arguments: Arguments, context: Context) -> int:
    """A version whose gate failed, or that lacks an approval that the model asks for, cannot be `production`."""
    from teul.cli.positionals import expect
    from teul.ml.promotion import keep_card, who

    name, version = expect(arguments, "models promote", exactly=2)
    alias = arguments.string("alias")
    with open_model(context, name) as store:
        before = store.alias(name, alias)
        store.set_alias(name, alias, version, who=who(), reason=arguments.string("why"))
        after = store.alias(name, alias)
        assert after is not None
        keep_card(store, after)
    say_moved(context, name, alias, str(before.version) if before else "", str(after.version))
    return 0


def open_model(context: Context, name: str) -> TrackingStore:
    """The tracking store, which has the model *name*. Raises: ModelNotFound."""
    from teul.ml.tracking import TrackingStore

    if not context.settings.has_tracking:
        raise ModelNotFound(name)
    store = TrackingStore.of(context.settings)
    try:
        store.get_registered_model(name)
    except TrackingNotFound as error:
        store.close()
        raise ModelNotFound(name) from error
    return store


def say_moved(context: Context, name: str, alias: str, before: str, after: str) -> None:
    """One line of data, and what follows from it."""
    context.print(f"{name}  {alias}  {before or '—'} → {after}")
    if alias == "production" and before != after:
        context.say(text("hint: {hint}", hint=text("`teul up` in the project's folder serves it")))
