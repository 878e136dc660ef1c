"""`teul logs`: what a container printed; its stdout on ours, its stderr on ours."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER"
FLAGS = (
    Flag("details", kind="bool", help="Show extra details provided to logs"),
    Flag("follow", "f", "bool", help="Follow log output"),
    Flag("since", help='Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")', metavar="string"),
    Flag("tail", "n", help="Number of lines to show from the end of the logs", default="all", metavar="string"),
    Flag("timestamps", "t", "bool", help="Show timestamps"),
    Flag("until", help='Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")', metavar="string"),
)  # fmt: skip


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.containers import logs
    from teul.engine.containers.attached import write_through

    (name,) = expect(arguments, "logs", exactly=1)
    word = arguments.string("tail")
    if word != "all" and not word.lstrip("-").isdigit():
        raise UsageError(
            text("invalid argument `{value}` for `{flag}` flag: expected a number", value=word, flag="--tail"),
            hint=text("teul logs --help"),
        )
    tail = None if word == "all" or int(word) < 0 else int(word)
    details = b""
    if arguments.flag("details"):
        from teul.engine.containers.output import details_of

        details = f"{details_of(context.engine, name)} ".encode()
    is_start = {"stdout": True, "stderr": True}
    try:
        for line in logs(
            context.engine,
            name,
            follow=arguments.flag("follow"),
            tail=tail,
            since=arguments.string("since"),
            until=arguments.string("until"),
        ):
            data = line.data
            if details and is_start[line.stream]:
                data = details + data
            if arguments.flag("timestamps") and is_start[line.stream]:
                data = f"{line.time} ".encode() + data
            is_start[line.stream] = data.endswith(b"\n")
            write_through(1 if line.stream == "stdout" else 2, data)
    except KeyboardInterrupt:
        return 130
    return 0
