"""`teul volume export`: a volume as a tar stream, to a file or to stdout."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] VOLUME"
FLAGS = (Flag("output", "o", help="Write to a file, instead of STDOUT", metavar="string"),)


def run(arguments: Arguments, context: Context) -> int:
    import os

    from teul.cli.positionals import expect
    from teul.engine import volumes
    from teul.host.fs import write_all

    (name,) = expect(arguments, "volume export", exactly=1)
    path = arguments.string("output")
    if path in ("", "-"):
        if context.stdout.isatty():
            raise UsageError(
                text("cowardly refusing to save to a terminal. Use the -o flag or redirect"),
                hint=text("teul volume export --help"),
            )
        context.stdout.flush()
        descriptor = context.stdout.fileno()
        volumes.export(context.engine, name, lambda data: write_all(descriptor, data))
        return 0
    # Whole or not at all: a backup that is cut off must not look like one.
    volumes.get(context.engine, name)
    partial = f"{path}.{os.urandom(4).hex()}.part"
    try:
        with open(partial, "wb") as file:
            volumes.export(context.engine, name, file.write)
            file.flush()
            os.fsync(file.fileno())
        os.rename(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
    return 0
