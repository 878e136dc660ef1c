"""`teul buildx inspect`: the one builder there is."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import NotFound, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[NAME]"
FLAGS = (
    Flag("bootstrap", kind="bool", help="Accepted: the builder needs no start", hidden=True),
    Flag("builder", help="Accepted: there is one builder", hidden=True),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul import __version__
    from teul.host.platform import host_platform

    for name in arguments.rest:
        if name != "default":
            raise NotFound(text('no builder "{name}" found', name=name), hint=text("teul buildx ls"))
    lines = (
        ("Name", "default"), ("Driver", "docker"), None, ("Nodes", ""), ("Name", "default"), ("Endpoint", "default"),
        ("Status", "running"), ("BuildKit version", f"teul {__version__}"), ("Platforms", str(host_platform())),
    )  # fmt: skip
    for line in lines:
        context.print(f"{line[0] + ':':<18}{line[1]}".rstrip() if line else "")
    return 0
