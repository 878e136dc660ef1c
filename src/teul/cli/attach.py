"""`teul attach`: our streams to a running container; its exit code is ours."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import Conflict, Detached, TeulError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER"
FLAGS = (
    Flag("detach-keys", help="Override the key sequence for detaching a container", metavar="string"),
    Flag("no-stdin", kind="bool", help="Do not attach STDIN"),
    Flag("sig-proxy", kind="bool", default=True, help="Proxy all received signals to the process"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.cli.run import fail
    from teul.engine.containers import get
    from teul.engine.containers.attached import Streams, attach
    from teul.runtime.attach import DETACH_KEYS

    (name,) = expect(arguments, "attach", exactly=1)
    container = get(context.engine, name)
    if container.status == "restarting":
        raise Conflict(text("You cannot attach to a restarting container, wait until it is running"))
    if not container.is_running:
        raise Conflict(text("You cannot attach to a stopped container, start it first"))
    if container.paused:
        raise Conflict(text("You cannot attach to a paused container, unpause it first"))
    streams = Streams(
        stdin=0 if container.interactive and not arguments.flag("no-stdin") else None,
        detach_keys=arguments.optional("detach-keys") or DETACH_KEYS,
        proxies_signals=arguments.flag("sig-proxy"),
    )
    try:
        return attach(context.engine, container.id, streams=streams)
    except Detached:
        raise
    except TeulError as error:
        return fail(error, context)
