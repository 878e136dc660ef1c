"""`teul volume import`: what a tar stream holds into a volume, which is made when it is missing."""

from __future__ import annotations

import sys

from teul.cli.flags import Flag
from teul.errors import InvalidInput, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] VOLUME [FILE|-]"
FLAGS = (Flag("label", kind="list", help="Set metadata for a volume", metavar="list"),)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.container_flags import pairs
    from teul.cli.positionals import expect
    from teul.engine import volumes
    from teul.errors import VolumeNotFound

    name, *rest = expect(arguments, "volume import", at_least=1)
    if len(rest) > 1:
        raise UsageError(
            text('"teul {command}" requires at most {count} argument(s)', command="volume import", count=2),
            hint=text("teul volume import --help"),
        )
    path = rest[0] if rest else "-"
    engine = context.engine
    try:
        volumes.get(engine, name)
        is_new = False
    except VolumeNotFound:
        is_new = True
    if path == "-":
        if sys.stdin.isatty():
            raise UsageError(text("give a file, or a tar stream on stdin"), hint=text("teul volume import --help"))
        file = sys.stdin.buffer
    else:
        try:
            file = open(path, "rb")
        except OSError as error:
            raise InvalidInput(text("file `{path}`: {problem}", path=path, problem=error.strerror)) from error
    try:
        if is_new:
            volumes.create(engine, name, labels=pairs(arguments.strings("label")))
        try:
            volumes.import_(engine, name, file)
        except BaseException:
            if is_new:
                volumes.remove(engine, name, force=True)
            raise
    finally:
        if path != "-":
            file.close()
    context.print(name)
    return 0
