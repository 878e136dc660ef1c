"""`teul load`: images out of a tar archive."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("input", "i", help="Read from a tar archive file or an OCI layout's folder, instead of STDIN"),
    Flag("progress", default="auto", help="Type of progress output (auto, plain, tty, json, quiet)"),
    Flag("quiet", "q", "bool", help="Suppress the load output"),
)


def run(arguments: Arguments, context: Context) -> int:
    import os
    import sys

    from teul.cli.positionals import expect
    from teul.engine.images import load
    from teul.errors import InvalidInput, UsageError, text

    expect(arguments, "load", exactly=0)
    path = arguments.string("input")
    events = context.sink("quiet" if arguments.flag("quiet") else arguments.string("progress"))
    if not path:
        if sys.stdin.isatty():
            raise UsageError(
                text("requested load from stdin, but stdin is empty"),
                hint=text("teul {command} --help", command="load"),
            )
        images = load(context.engine, sys.stdin.buffer, events=events)
    elif os.path.isdir(path):
        images = load(context.engine, path, events=events)
    else:
        try:
            with open(path, "rb") as file:
                images = load(context.engine, file, events=events)
        except FileNotFoundError as error:
            raise InvalidInput(text("`{path}`: no such file", path=path)) from error
    for image in images:
        for name in image.names:
            context.print(f"Loaded image: {name.familiar}")
        if not image.names:
            context.print(f"Loaded image ID: {image.id}")
    return 0
