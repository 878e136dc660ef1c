"""Tables and charts as one HTML file that needs nothing else: no script, no other file. Pure; all text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from teul.ml.plots import svg
from teul.ml.plots.chart import Chart

_STYLE = """
:root { color-scheme: light dark; --line: #d8dce1; --faint: #6b7280; }
@media (prefers-color-scheme: dark) { :root { --line: #3a3f46; --faint: #9aa2ad; } }
body { font: 15px/1.5 system-ui, "Noto Sans KR", sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem 1rem .35rem 0; text-align: left; vertical-align: top; }
th { color: var(--faint); font-weight: 500; } td.differs { font-weight: 650; }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem; } svg { max-width: 100%; height: auto; }
"""


def page(
    title: str,
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]],
    charts: Sequence[Chart],
) -> str:
    """The page: *tables* are (heading, column headings, rows); a row whose values differ has them in bold."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
    ]
    for heading, columns, rows in tables:
        if not rows:
            continue
        parts.append(f"<h2>{escape(heading)}</h2><table><thead><tr>")
        parts += [f"<th>{escape(column)}</th>" for column in columns]
        parts.append("</tr></thead><tbody>")
        for row in rows:
            mark = ' class="differs"' if len(set(row[1:])) > 1 else ""
            cells = "".join(f"<td{mark}>{escape(cell)}</td>" for cell in row[1:])
            parts.append(f"<tr><td>{escape(row[0])}</td>{cells}</tr>")
        parts.append("</tbody></table>")
    if charts:
        parts.append('<h2>Metrics</h2><div class="charts">')
        parts += [svg.draw(chart) for chart in charts]
        parts.append("</div>")
    return "\n".join([*parts, "</body></html>", ""])
