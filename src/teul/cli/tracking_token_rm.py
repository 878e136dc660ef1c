"""`teul tracking token rm`: end tokens, by id or name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments, Flag

USAGE = "TOKEN [TOKEN...]"
FLAGS: tuple[Flag, ...] = ()


def run(arguments: Arguments, context: Context) -> int:
    """A server that runs refuses it from the next request on."""
    from teul.cli.positionals import expect
    from teul.ml.promotion import who
    from teul.ml.tracking import TrackingStore

    wanted = expect(arguments, "tracking token rm", at_least=1)
    with TrackingStore.of(context.settings) as store:
        for name in wanted:
            context.print(store.remove_key(name, who=who()).id)
    return 0
