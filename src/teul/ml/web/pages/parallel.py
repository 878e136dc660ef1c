"""Parallel coordinates: one axis for each number that differs among the runs, one line for each run. Pure.

Source: Inselberg, "The plane with parallel coordinates", The Visual Computer 1 (1985).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from teul.ml.plots.chart import COLOURS
from teul.ml.tracking.values import Run
from teul.ml.web.html import Html
from teul.ml.web.view import number

MOST_AXES = 8
WIDTH, HEIGHT, TOP, BOTTOM, SIDE = 960, 300, 44, 28, 70
NAMES_IN_A_ROW, ROW = 4, 20


def draw(found: Sequence[Run], names: Mapping[str, str], title: str) -> Html | None:
    """The picture, or None when fewer than two numbers differ."""
    axes: list[tuple[str, dict[str, float]]] = []
    for key in sorted({key for run in found for key in run.params}):
        _add(axes, key, {run.id: value for run in found if (value := _number(run.params.get(key))) is not None})
    for key in sorted({metric.key for run in found for metric in run.metrics if not metric.key.startswith("system/")}):
        _add(
            axes,
            key,
            {run.id: value for run in found if (value := run.metric(key)) is not None and math.isfinite(value)},
        )
    axes = axes[:MOST_AXES]
    if len(axes) < 2:
        return None
    step = (WIDTH - 2 * SIDE) / (len(axes) - 1)
    whole = HEIGHT + ROW * -(-len(found) // NAMES_IN_A_ROW)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {whole}" role="img" aria-label="{escape(title)}"'
            ' font-family="system-ui, sans-serif" font-size="12" fill="currentColor">'
        )
    ]
    for index, (key, values) in enumerate(axes):
        x = SIDE + index * step
        shown = key if len(key) <= 18 else key[:17] + "…"
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="currentColor" stroke-opacity=".3"/>'
            f'<text x="{x:.1f}" y="16" text-anchor="middle" font-weight="600">{escape(shown)}<title>{escape(key)}</title></text>'
            f'<text x="{x:.1f}" y="{TOP - 8}" text-anchor="middle" opacity=".7">{number(max(values.values()))}</text>'
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" opacity=".7">{number(min(values.values()))}</text>'
        )
    for place, run in enumerate(found):
        points = []
        for index, (_, values) in enumerate(axes):
            if run.id in values:
                low, high = min(values.values()), max(values.values())
                y = TOP + (1 - (values[run.id] - low) / (high - low)) * (HEIGHT - TOP - BOTTOM)
                points.append(f"{SIDE + index * step:.1f},{y:.1f}")
        colour = COLOURS[place % len(COLOURS)]
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2" stroke-opacity=".85">'
            f"<title>{escape(names[run.id])}</title></polyline>"
        )
        row, column = divmod(place, NAMES_IN_A_ROW)
        x, y = SIDE / 2 + column * (WIDTH - SIDE) / NAMES_IN_A_ROW, HEIGHT + ROW * row + 8
        name = names[run.id]
        parts.append(
            f'<rect x="{x:.1f}" y="{y - 7}" width="14" height="4" fill="{colour}"/>'
            f'<text x="{x + 20:.1f}" y="{y}">{escape(name if len(name) <= 28 else name[:27] + "…")}</text>'
        )
    return Html("".join(parts) + "</svg>")


def _add(axes: list[tuple[str, dict[str, float]]], key: str, values: dict[str, float]) -> None:
    if len(set(values.values())) > 1:
        axes.append((key, values))


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
