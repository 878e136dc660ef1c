"""`teul create`: as `run`, but nothing runs; the id on stdout."""

from __future__ import annotations

import os

from teul.cli.container_flags import REFUSED_FLAGS, SHARED, to_options
from teul.errors import TeulError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] IMAGE [COMMAND] [ARG...]"
INTERSPERSED = False
FLAGS = (*SHARED, *REFUSED_FLAGS)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.cli.run import write_id_file
    from teul.engine.containers import create, remove

    expect(arguments, "create", at_least=1)
    options = to_options(arguments, detach=True, environ=os.environ)
    progress = context.sink("quiet" if arguments.flag("quiet") else "auto", title="Pulling")
    container = create(context.engine, options, events=progress)
    if arguments.string("cidfile"):
        try:
            write_id_file(arguments.string("cidfile"), container)
        except TeulError:
            remove(context.engine, container.id)
            raise
    context.print(container.id)
    return 0
