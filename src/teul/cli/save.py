"""`teul save`: images as one tar archive."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] IMAGE [IMAGE...]"
FLAGS = (
    Flag("output", "o", help="Write to a file, instead of STDOUT"),
    Flag("progress", default="auto", help="Type of progress output (auto, plain, tty, json, quiet)"),
)


def run(arguments: Arguments, context: Context) -> int:
    import os

    from teul.cli.positionals import expect
    from teul.engine.images import save
    from teul.errors import InvalidInput, UsageError, text

    names = expect(arguments, "save", at_least=1)
    output = arguments.string("output")
    if not output:
        if context.stdout.isatty():
            raise UsageError(
                text("cowardly refusing to save to a terminal. Use the -o flag or redirect"),
                hint=text("teul {command} --help", command="save"),
            )
        stream = context.stdout.buffer
        save(context.engine, names, stream.write)
        stream.flush()
        return 0
    events = context.sink(arguments.string("progress"))
    # Beside its place, and moved there when it is whole: an interrupted save leaves no half an archive.
    partial = f"{output}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as file:
            save(context.engine, names, file.write, events=events)
        os.replace(partial, output)
    except FileNotFoundError as error:
        raise InvalidInput(text("`{path}`: no such folder", path=os.path.dirname(output))) from error
    finally:
        if os.path.lexists(partial):
            os.unlink(partial)
    return 0
