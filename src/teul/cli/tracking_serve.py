"""`teul tracking serve`: a tracking server in the foreground."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("host", help="Address to listen on; a token is needed on any but loopback", default="127.0.0.1"),
    Flag("port", short="p", kind="int", help="Port to listen on; 0 takes a free one", default=5000),
    Flag("any-port", kind="bool", help="Take the port of last time, or a free one when that is held"),
    Flag("insecure", kind="bool", help="Answer without tokens on every address"),
)


def run(arguments: Arguments, context: Context) -> int:
    """Serve until Ctrl-C."""
    from teul.cli.positionals import expect
    from teul.errors import PortInUse, text
    from teul.ml.tracking.server import remembered_port, serve

    expect(arguments, "tracking serve", exactly=0)
    host = arguments.string("host")
    port = arguments.integer("port") or 0
    trusts = arguments.flag("insecure")
    if not arguments.flag("any-port"):
        context.say(text("tracking server on {host}, port {port}; Ctrl-C ends it", host=host, port=port))
        serve(context.settings, host=host, port=port, trusts_network=trusts)
        return 0
    try:
        serve(context.settings, host=host, port=remembered_port(context.settings) or port, trusts_network=trusts)
    except PortInUse:
        serve(context.settings, host=host, port=0, trusts_network=trusts)
    return 0
