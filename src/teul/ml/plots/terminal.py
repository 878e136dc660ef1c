"""A chart in text: lines of braille dots (2 × 4 to a character) over two axes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from teul.ml.plots.chart import Chart, thinned

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_MARKS = "●■▲◆★✚▼○"


def draw(chart: Chart, *, columns: int = 64, rows: int = 10) -> str:
    """The chart as lines of text: title, plot of *columns* × *rows* characters with its axes, legend of several series.

    Lines that cross share their characters; at its last point each of several series has a mark, which the legend names.
    """
    x_axis, y_axis = chart.x_axis(), chart.y_axis(max(3, min(6, rows // 2)))
    grid = [[0] * columns for _ in range(rows)]
    wide, high = columns * 2 - 1, rows * 4 - 1
    marks: dict[tuple[int, int], str] = {}
    for index, series in enumerate(chart.series):
        spots = [
            (round(x_axis.share(x) * wide), round((1 - y_axis.share(y)) * high))
            for x, y in thinned(series.finite, wide * 6)
        ]
        for spot in _joined(spots):
            grid[spot[1] // 4][spot[0] // 2] |= _DOTS[spot[0] % 2][spot[1] % 4]
        if spots and len(chart.series) > 1:
            marks[spots[-1][1] // 4, spots[-1][0] // 2] = _MARKS[index % len(_MARKS)]
    labels = {round((1 - y_axis.share(tick)) * (rows - 1)): y_axis.label(tick) for tick in y_axis.ticks}
    margin = max(map(len, labels.values()), default=0)
    lines = [chart.title] if chart.title else []
    for number, cells in enumerate(grid):
        body = "".join(
            marks.get((number, at)) or (chr(0x2800 + cell) if cell else " ") for at, cell in enumerate(cells)
        )
        lines.append(f"{labels.get(number, ''):>{margin}} {'┤' if number in labels else '│'}{body}".rstrip())
    lines.append(f"{' ' * margin} └{'─' * columns}")
    low, end = (f"{value:.6g}" for value in (x_axis.low, x_axis.high))
    middle = chart.x_label.center(columns - len(low) - len(end))
    lines.append(f"{' ' * (margin + 2)}{low}{middle}{end}")
    if len(chart.series) > 1:
        lines += [f"{' ' * (margin + 2)}{_MARKS[i % len(_MARKS)]} {item.name}" for i, item in enumerate(chart.series)]
    return "\n".join(lines)


def _joined(spots: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """The dots of the line through *spots*. Source: Bresenham, "Algorithm for computer control of a digital plotter"."""
    yield from spots[:1]
    for (x, y), (to_x, to_y) in pairwise(spots):
        across, down = abs(to_x - x), -abs(to_y - y)
        step_x, step_y = (1 if x < to_x else -1), (1 if y < to_y else -1)
        error = across + down
        while (x, y) != (to_x, to_y):
            twice = 2 * error
            if twice >= down:
                error, x = error + down, x + step_x
            if twice <= across:
                error, y = error + across, y + step_y
            yield x, y
