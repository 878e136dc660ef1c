"""`teul export`: a container's file tree as a tar, to a file or to stdout."""

from __future__ import annotations

import os
import sys

from teul.cli.flags import Flag
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER"
FLAGS = (Flag("output", "o", help="Write to a file, instead of STDOUT", metavar="string"),)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.containers import export

    (container,) = expect(arguments, "export", exactly=1)
    path = arguments.string("output")
    if not path:
        if os.isatty(1):
            raise InvalidInput(text("cowardly refusing to save to a terminal. Use the -o flag or redirect"))
        context.stdout.flush()
        export(context.engine, container, sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
        return 0
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        try:
            with open(beside, "xb") as file:
                export(context.engine, container, file.write)
            os.replace(beside, path)
        except OSError as error:
            if error.errno == 28:
                raise
            raise InvalidInput(text("file `{path}`: {problem}", path=path, problem=error.strerror or error)) from error
    finally:
        if os.path.exists(beside):
            os.unlink(beside)
    return 0
