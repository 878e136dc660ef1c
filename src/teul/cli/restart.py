"""`teul restart`: Docker's flags; the names as they were given on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER [CONTAINER...]"
FLAGS = (
    Flag("signal", "s", help="Signal to send to the container", metavar="string"),
    Flag("timeout", "t", "int", help="Seconds to wait before killing the container", metavar="int"),
    Flag("time", kind="int", hidden=True),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.each import for_each
    from teul.cli.positionals import expect
    from teul.engine.containers import restart

    names = expect(arguments, "restart", at_least=1)
    timeout = arguments.integer("timeout")
    timeout = arguments.integer("time") if timeout is None else timeout
    signal = arguments.string("signal")
    return for_each(context, names, lambda name: restart(context.engine, name, timeout_s=timeout, signal=signal))
