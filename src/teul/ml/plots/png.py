"""Charts as one PNG, one below the other. Pillow draws and encodes; the letters are in a font of the host.

Pillow's own font has no Hangul; where the host has a font with it, that one is taken.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from functools import lru_cache

from teul.ml.plots.chart import COLOURS, Chart, thinned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 40
LEGEND_ROW = 18
SCALE = 2
"""Pixels to a unit: sharp on today's screens and in print."""
TEXT, FAINT, GRID, PAPER = "#1f2328", "#6b7280", "#e5e7eb", "#ffffff"
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", os.path.expanduser("~/.local/share/fonts"))
FONTS = ("NotoSansCJK-Regular.ttc", "NotoSansKR-Regular.otf", "NanumGothic.ttf", "UnDotum.ttf", "unifont.ttf")
"""With Latin and Hangul, the first that is there."""


def draw(charts: Sequence[Chart]) -> bytes:
    """The bytes of the file."""
    from PIL import Image, ImageDraw

    heights = [HEIGHT + (len(chart.series) * LEGEND_ROW if len(chart.series) > 1 else 0) for chart in charts]
    image = Image.new("RGB", (WIDTH * SCALE, max(sum(heights), 1) * SCALE), PAPER)
    pen = ImageDraw.Draw(image)
    top = 0
    for chart, height in zip(charts, heights, strict=True):
        _draw_one(pen, chart, top)
        top += height
    made = io.BytesIO()
    image.save(made, "PNG", optimize=True)
    return made.getvalue()


def _draw_one(pen: ImageDraw.ImageDraw, chart: Chart, top: int) -> None:
    x_axis, y_axis = chart.x_axis(), chart.y_axis()
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def spot(x: float, y: float) -> tuple[float, float]:
        return (LEFT + x_axis.share(x) * across) * SCALE, (top + TOP + (1 - y_axis.share(y)) * down) * SCALE

    def write(x: float, y: float, words: str, *, anchor: str, size: int = 12, fill: str = FAINT) -> None:
        pen.text((x * SCALE, y * SCALE), words, font=_font(size * SCALE), fill=fill, anchor=anchor)

    write(LEFT, top + 16, chart.title, anchor="lm", size=14, fill=TEXT)
    for tick in y_axis.ticks:
        _, y = spot(x_axis.low, tick)
        pen.line([(LEFT * SCALE, y), ((WIDTH - RIGHT) * SCALE, y)], fill=GRID, width=SCALE)
        write(LEFT - 8, y / SCALE, y_axis.label(tick), anchor="rm")
    for tick in x_axis.ticks:
        write(spot(tick, y_axis.low)[0] / SCALE, top + HEIGHT - BOTTOM + 14, x_axis.label(tick), anchor="mm")
    write(LEFT + across / 2, top + HEIGHT - 9, chart.x_label, anchor="mm")
    for index, series in enumerate(chart.series):
        colour = COLOURS[index % len(COLOURS)]
        points = [spot(x, y) for x, y in thinned(series.finite, 1500)]
        if len(points) == 1:
            x, y = points[0]
            pen.ellipse([x - 6, y - 6, x + 6, y + 6], fill=colour)
        elif points:
            pen.line(points, fill=colour, width=round(1.75 * SCALE), joint="curve")
        if len(chart.series) > 1:
            y = top + HEIGHT + index * LEGEND_ROW + 6
            box = [LEFT * SCALE, (y - 2) * SCALE, (LEFT + 14) * SCALE, (y + 2) * SCALE]
            pen.rectangle(box, fill=colour)
            write(LEFT + 22, y, series.name, anchor="lm", fill=TEXT)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    from PIL import ImageFont

    path = _font_file()
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _font_file() -> str:
    found = {name: f"{folder}/{name}" for root in FONT_FOLDERS for folder, _, names in os.walk(root) for name in names}
    return next((found[name] for name in FONTS if name in found), "")
