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
    Flag(
        "store",
        metavar="URL",
        help="Keep the tracking store in PostgreSQL: postgresql://USER@HOST/DATABASE (TEUL_TRACKING_STORE)",
    ),
    Flag("artifacts", metavar="DIR", help="Folder of that store's artifacts, the same for all of its servers"),
    Flag("any-port", kind="bool", help="Take the port of last time, or a free one when that is held"),
    Flag("require-tokens", kind="bool", help="Ask for a token on loopback, too"),
    Flag("insecure", kind="bool", help="Answer without tokens on every address"),
)


def run(arguments: Arguments, context: Context) -> int:
    """Serve until Ctrl-C."""
    import os
    from dataclasses import replace

    from teul.cli.positionals import expect
    from teul.errors import PortInUse, UsageError, text
    from teul.ml.tracking.database import is_url
    from teul.ml.tracking.server import remembered_port, serve

    expect(arguments, "tracking serve", exactly=0)
    host = arguments.string("host")
    port = arguments.integer("port") or 0
    trusts, strict = arguments.flag("insecure"), arguments.flag("require-tokens")
    if trusts and strict:
        raise UsageError(text("--insecure and --require-tokens exclude each other"), hint="teul tracking serve --help")

    settings = context.settings
    if arguments.string("store"):
        if not is_url(arguments.string("store")):
            raise UsageError(
                text("--store: expected postgresql://USER@HOST/DATABASE, got {value}", value=arguments.string("store")),
                hint="teul tracking serve --help",
            )
        settings = replace(settings, tracking_store=arguments.string("store"))
    if arguments.string("artifacts"):
        if not settings.tracking_store:
            raise UsageError(text("--artifacts goes with --store"), hint="teul tracking serve --help")
        settings = replace(settings, tracking_artifacts=os.path.abspath(arguments.string("artifacts")))

    def serve_on(number: int, say: Callable[[str], object]) -> None:
        serve(settings, host=host, port=number, trusts_network=trusts, requires_tokens=strict, on_ready=say)

    if not arguments.flag("any-port"):
        serve_on(port, lambda uri: context.say(text("tracking server at {uri}; Ctrl-C ends it", uri=uri)))
        return 0
    try:
        serve_on(remembered_port(settings) or port, lambda uri: None)
    except PortInUse:
        serve_on(0, lambda uri: None)
    return 0
