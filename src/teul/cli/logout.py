"""`teul logout`: forget who we are with a registry."""

from __future__ import annotations

from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[SERVER]"
FLAGS = ()


def run(arguments: Arguments, context: Context) -> int:
    from teul.engine.images import logout
    from teul.registry.login import key_of

    if len(arguments.rest) > 1:
        raise UsageError(
            text('"teul {command}" requires at most {count} argument(s)', command="logout", count=1),
            hint=text("teul {command} --help", command="logout"),
        )
    server = arguments.rest[0] if arguments.rest else ""
    if logout(context.engine, server):
        context.print(f"Removing login credentials for {key_of(server)}")
    else:
        context.print(f"Not logged in to {key_of(server)}")
    return 0
