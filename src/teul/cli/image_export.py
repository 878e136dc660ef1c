"""`teul image export`: an image as an OCI layout that any tool reads."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] IMAGE FOLDER"
FLAGS = (
    Flag("compression", default="gzip", help="Compression of the layers: gzip, zstd or none", metavar="codec"),
    Flag("oci", "", "bool", help="An OCI layout (the default, and the only form there is)", default=True),
    Flag("progress", default="auto", help="Type of progress output (auto, plain, tty, json, quiet)"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.images import export
    from teul.errors import OptionUnsupported

    name, folder = expect(arguments, "image export", exactly=2)
    if not arguments.flag("oci"):
        raise OptionUnsupported("--oci=false")
    compression = arguments.string("compression")
    digest = export(
        context.engine,
        name,
        folder,
        compression="" if compression == "none" else compression,
        events=context.sink(arguments.string("progress")),
    )
    context.print(digest)
    return 0
