"""`teul buildx version`: the version of buildx whose commands and flags these are."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = ""
FLAGS = ()
COMPATIBLE = "v0.13.1"


def run(arguments: Arguments, context: Context) -> int:
    from teul import __version__

    # Tools look for three words, the second a version.
    context.print(f"github.com/docker/buildx {COMPATIBLE} teul-{__version__}")
    return 0
