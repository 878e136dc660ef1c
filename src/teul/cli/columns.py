"""Tables as Docker prints them: left-aligned columns, three spaces between, headings in capitals."""

from __future__ import annotations

from teul.cli.width import pad, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MIN_COLUMNS = 10
_GAP = 3


def render_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The table as text, one line per row, without a line end after the last. No headers: no heading line.

    A column is at least ten wide (Docker's tabwriter), Hangul counts two, the last column is not padded.
    """
    lines = [[str(cell) for cell in row] for row in rows]
    if headers:
        lines.insert(0, [str(cell) for cell in headers])
    if not lines:
        return ""
    count = max(len(line) for line in lines)
    columns = [
        max(_MIN_COLUMNS, _GAP + max(width(line[index]) for line in lines if index < len(line)))
        for index in range(count)
    ]
    return "\n".join(
        "".join(pad(cell, columns[index]) for index, cell in enumerate(line[:-1])) + line[-1] if line else ""
        for line in lines
    )
