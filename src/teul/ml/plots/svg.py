"""A chart as SVG, to stand in a page or in a file of its own. Pure; every name is escaped."""

from __future__ import annotations

from html import escape

from teul.ml.plots.chart import COLOURS, Chart, thinned

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 40
LEGEND_ROW = 18
MOST_POINTS = 1500


def draw(chart: Chart, *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """One `<svg>` element, with the title, ticks, grid lines and, for several series, a legend below.

    Colours of text and grid are `currentColor` with an opacity, so that it fits a light page and a dark one.
    """
    x_axis, y_axis = chart.x_axis(), chart.y_axis()
    legend = len(chart.series) if len(chart.series) > 1 else 0
    whole = height + legend * LEGEND_ROW
    across, down = width - LEFT - RIGHT, height - TOP - BOTTOM

    def at_x(value: float) -> str:
        return f"{LEFT + x_axis.share(value) * across:.1f}"

    def at_y(value: float) -> str:
        return f"{TOP + (1 - y_axis.share(value)) * down:.1f}"

    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {whole}" width="{width}" height="{whole}"'
        f' role="img" aria-label="{escape(chart.title)}" font-family="system-ui, sans-serif" font-size="12"'
        ' fill="currentColor">'
    )
    parts = [
        head,
        f"<title>{escape(chart.title)}</title>",
        f'<text x="{LEFT}" y="20" font-size="14" font-weight="600">{escape(chart.title)}</text>',
    ]
    for tick in y_axis.ticks:
        y = at_y(tick)
        parts.append(
            f'<line x1="{LEFT}" x2="{width - RIGHT}" y1="{y}" y2="{y}" stroke="currentColor" stroke-opacity="0.15"/>'
            f'<text x="{LEFT - 8}" y="{y}" dy="4" text-anchor="end" opacity="0.7">{y_axis.label(tick)}</text>'
        )
    below = f'y="{height - BOTTOM + 18}" text-anchor="middle" opacity="0.7"'
    parts += [f'<text x="{at_x(tick)}" {below}>{x_axis.label(tick)}</text>' for tick in x_axis.ticks]
    parts.append(
        f'<text x="{LEFT + across / 2:.0f}" y="{height - 6}" text-anchor="middle" opacity="0.7">'
        f"{escape(chart.x_label)}</text>"
    )
    for index, series in enumerate(chart.series):
        colour = COLOURS[index % len(COLOURS)]
        points = thinned(series.finite, MOST_POINTS)
        if len(points) == 1:
            parts.append(f'<circle cx="{at_x(points[0][0])}" cy="{at_y(points[0][1])}" r="3" fill="{colour}"/>')
        elif points:
            path = " ".join(f"{at_x(x)},{at_y(y)}" for x, y in points)
            parts.append(
                f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.75"'
                f' stroke-linejoin="round"><title>{escape(series.name)}</title></polyline>'
            )
        if legend:
            top = height + index * LEGEND_ROW
            parts.append(
                f'<rect x="{LEFT}" y="{top + 4}" width="14" height="4" rx="2" fill="{colour}"/>'
                f'<text x="{LEFT + 22}" y="{top + 10}">{escape(series.name)}</text>'
            )
    return "".join(parts) + "</svg>"
