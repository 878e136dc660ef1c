"""`teul start`: Docker's flags; the names as they were given on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import ContainerRunning, Detached, TeulError, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER [CONTAINER...]"
FLAGS = (
    Flag("attach", "a", "bool", help="Attach STDOUT/STDERR and forward signals"),
    Flag("detach-keys", help="Override the key sequence for detaching a container", metavar="string"),
    Flag("interactive", "i", "bool", help="Attach container's STDIN"),
    Flag("sig-proxy", kind="bool", default=True, hidden=True),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.main import report
    from teul.cli.positionals import expect
    from teul.engine.containers import start

    names = expect(arguments, "start", at_least=1)
    if arguments.flag("attach") or arguments.flag("interactive"):
        if len(names) > 1:
            raise UsageError(
                text("you cannot start and attach multiple containers at once"), hint=text("teul start --help")
            )
        return _attended(arguments, names[0], context)
    code = 0
    for name in names:
        try:
            start(context.engine, name)
        except ContainerRunning:
            # Docker: starting what runs is no error.
            pass
        except TeulError as error:
            report(error, context)
            code = 1
            continue
        context.print(name)
    return code


def _attended(arguments: Arguments, name: str, context: Context) -> int:
    from teul.cli.run import fail, finish_later
    from teul.engine.containers import get
    from teul.engine.containers.attached import Streams, attach, start_attached
    from teul.runtime.attach import DETACH_KEYS

    container = get(context.engine, name)
    streams = Streams(
        stdin=0 if arguments.flag("interactive") and container.interactive else None,
        detach_keys=arguments.optional("detach-keys") or DETACH_KEYS,
        proxies_signals=arguments.flag("sig-proxy"),
    )
    if container.is_running:
        try:
            return attach(context.engine, container.id, streams=streams)
        except Detached:
            return 0
    left: list[object] = []
    try:
        code = start_attached(context.engine, container, streams=streams, defer=left.append)
    except TeulError as error:
        return fail(error, context)
    if left:
        finish_later(context, left)  # type: ignore[arg-type]
    return code
