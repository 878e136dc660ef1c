"""`teul rmi`: take names away, and images with their last one."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] IMAGE [IMAGE...]"
FLAGS = (
    Flag("force", "f", "bool", help="Force removal of the image"),
    Flag("no-prune", "", "bool", help="Do not delete layers that nothing else needs"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.main import report
    from teul.cli.positionals import expect
    from teul.engine.images import remove
    from teul.errors import ImageNotFound, TeulError

    code = 0
    force = arguments.flag("force")
    for name in expect(arguments, "rmi", at_least=1):
        try:
            lines = remove(context.engine, name, force=force, prune=not arguments.flag("no-prune"))
        except TeulError as error:
            if isinstance(error, ImageNotFound):
                # Nobody wants to pull what they meant to remove.
                error.hint = None
            report(error, context)
            # As docker: what is not there is as good as removed when one insists.
            if not (force and isinstance(error, ImageNotFound)):
                code = 1
            continue
        for line in lines:
            context.print(line)
    return code
