"""`teul network inspect`: networks as JSON, or through a Go template."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] NETWORK [NETWORK...]"
FLAGS = (
    Flag("format", "f", help="Output format: json, or a Go template such as {{.Name}}", metavar="string"),
    Flag("verbose", "v", "bool", help="Verbose output for diagnostics"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.inspect import find, show
    from teul.cli.positionals import expect

    names = expect(arguments, "network inspect", at_least=1)
    return show(context, names, arguments.string("format"), lambda name: find(context.engine, name, ("network",)))
