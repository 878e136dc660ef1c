"""`teul image sbom`: what an image is made of, as a document for other programs."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] IMAGE"
FLAGS = (
    Flag("format", help="Kind of document: cyclonedx-json or spdx-json", default="cyclonedx-json", metavar="KIND"),
    Flag("output", "o", help="Write to a file, instead of STDOUT", metavar="FILE"),
)
SHORT = {"": "cyclonedx-json", "cyclonedx": "cyclonedx-json", "json": "cyclonedx-json", "spdx": "spdx-json"}


def run(arguments: Arguments, context: Context) -> int:
    """Print the bill of materials of an image."""
    import json

    from teul.cli.positionals import expect
    from teul.engine.images.billing import bill

    (image,) = expect(arguments, "image sbom", exactly=1)
    kind = arguments.string("format")
    document = json.dumps(bill(context.engine, image, SHORT.get(kind, kind)), indent=2, ensure_ascii=False)
    output = arguments.string("output")
    if output in ("", "-"):
        context.print(document)
        return 0
    from teul.errors import Denied, text
    from teul.host.fs import write_atomic

    try:
        write_atomic(output, document.encode() + b"\n", 0o644)
    except OSError as error:
        raise Denied(text("`{path}` cannot be written: {problem}", path=output, problem=error.strerror)) from error
    return 0
