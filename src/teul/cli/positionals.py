"""How many words a command takes besides its flags, said in Docker's words. Must not look at the words."""

from __future__ import annotations

from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.flags import Arguments


def expect(arguments: Arguments, command: str, *, exactly: int | None = None, at_least: int = 0) -> list[str]:
    """The positional words of *command*.

    Raises:
        UsageError: too few or too many.
    """
    words = arguments.rest
    hint = text("teul {command} --help", command=command)
    if exactly == 0 and words:
        raise UsageError(text('"teul {command}" accepts no arguments', command=command), hint=hint)
    if exactly is not None and len(words) != exactly:
        raise UsageError(
            text('"teul {command}" requires exactly {count} argument(s)', command=command, count=exactly), hint=hint
        )
    if len(words) < at_least:
        raise UsageError(
            text('"teul {command}" requires at least {count} argument(s)', command=command, count=at_least), hint=hint
        )
    return words
