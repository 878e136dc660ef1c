"""`teul down`: stop what `teul up` started; data stays."""

from __future__ import annotations

import os

from teul.cli.flags import Flag
from teul.errors import ProjectError, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[FOLDER]"
FLAGS = (Flag("progress", kind="string", help="How progress is shown: auto, tty, plain, json, quiet", default="auto"),)


def run(arguments: Arguments, context: Context) -> int:
    """Stop the containers of the project in the folder."""
    from teul.ml import up as use_case
    from teul.state import projects

    if len(arguments.rest) > 1:
        raise UsageError(text("expected one folder, got {count}", count=len(arguments.rest)), hint="teul down --help")
    folder = os.path.abspath(arguments.rest[0] if arguments.rest else ".")
    try:
        name = use_case.read_project(folder).name
    except (ProjectError, ExceptionGroup):
        # What was started from here can be stopped even when the file is broken or gone.
        known = projects.find_by_folder(context.engine.db, folder)
        if known is None:
            raise
        name = known.name
    sink = context.sink(arguments.string("progress"), title="down")
    stopped = use_case.down(context.engine, name, events=sink)
    for item in stopped:
        context.print(context.translate(text("stopped {name}", name=item)))
    if not stopped:
        context.say(text("nothing of project `{name}` is running", name=name))
    return 0
