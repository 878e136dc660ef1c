"""`teul tracking serve`: a tracking server in the foreground."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("host", help="Address to listen on; a token is needed on any but loopback", default="127.0.0.1"),
    Flag("port", short="p", kind="int", help="Port to listen on; 0 takes a free one", default=5000),
    Flag("any-port", kind="bool", help="Take the port of last time, or a free one when that is held"),
    Flag("require-tokens", kind="bool", help="Ask for a token on loopback, too"),
    Flag("insecure", kind="bool", help="Answer without tokens on every address"),
)


def run(arguments: Arguments, context: Context) -> int:
    """Serve until Ctrl-C."""
    from teul.cli.positionals import expect
    from teul.errors import PortInUse, UsageError, text
    from teul.ml.tracking.server import remembered_port, serve

    expect(arguments, "tracking serve", exactly=0)
    host = arguments.string("host")
    port = arguments.integer("port") or 0
    trusts, strict = arguments.flag("insecure"), arguments.flag("require-tokens")
    if trusts and strict:
        raise UsageError(text("--insecure and --require-tokens exclude each other"), hint="teul tracking serve --help")

    def serve_on(number: int, say: Callable[[str], object]) -> None:
        serve(context.settings, host=host, port=number, trusts_network=trusts, requires_tokens=strict, on_ready=say)

    if not arguments.flag("any-port"):
        serve_on(port, lambda uri: context.say(text("tracking server at {uri}; Ctrl-C ends it", uri=uri)))
        return 0
    try:
        serve_on(remembered_port(context.settings) or port, lambda uri: None)
    except PortInUse:
        serve_on(0, lambda uri: None)
    return 0
