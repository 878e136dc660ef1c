"""Line charts of metric histories: the same chart in a terminal, as SVG, in an HTML page, as PNG.

`chart` holds the values and the axes; `terminal`, `svg`, `page` and `png` draw them. No file is
opened, but for a font that `png` looks for. Must not know runs or the tracking store.
"""

from __future__ import annotations

from teul.ml.plots.chart import Chart, Series

__all__ = ["Chart", "Series"]
