"""`teul image bootstrap`: a base image from Debian's packages."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] NAME:TAG"
FLAGS = (
    Flag("mirror", help="Where Debian's packages come from (default: where this host gets them)", metavar="url"),
    Flag("progress", default="auto", help="Type of progress output (auto, plain, tty, json, quiet)"),
    Flag("quiet", "q", "bool", help="Print only the image's id"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.images import bootstrap

    (name,) = expect(arguments, "image bootstrap", exactly=1)
    is_quiet = arguments.flag("quiet")
    events = context.sink("quiet" if is_quiet else arguments.string("progress"))
    image = bootstrap(context.engine, name, mirror=arguments.string("mirror"), events=events)
    context.print(image.id)
    if not is_quiet:
        context.print(image.name)
    return 0
