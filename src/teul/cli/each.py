"""Commands that take several names: each is done and printed, what fails is reported, and the rest goes on."""

from __future__ import annotations

from teul.errors import TeulError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teul.cli.context import Context


def for_each(
    context: Context,
    names: Sequence[str],
    act: Callable[[str], object],
    *,
    harmless: tuple[type[TeulError], ...] = (),
) -> int:
    """The exit code: 0, or 1 when one failed (with an error that is not one of *harmless*)."""
    from teul.cli.main import report

    code = 0
    for name in names:
        try:
            act(name)
        except TeulError as error:
            report(error, context)
            code = code if harmless and isinstance(error, harmless) else 1
            continue
        context.print(name)
    return code
