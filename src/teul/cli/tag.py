"""`teul tag`: one more name for an image."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments, Flag

USAGE = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]"
FLAGS: tuple[Flag, ...] = ()


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.images import tag

    source, target = expect(arguments, "tag", exactly=2)
    tag(context.engine, source, target)
    return 0
