import io
import math
from xml.etree import ElementTree

import pytest

from teul.ml.plots import Chart, Series, page, png, svg, terminal
from teul.ml.plots.chart import Axis, thinned


def chart(*series):
    return Chart("loss <&> 손실", tuple(Series(name, points) for name, points in series))


LINE = tuple((float(step), 1 / (step + 1)) for step in range(50))


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((0, 1), (0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ((0, 199), (0, 50, 100, 150)),
        ((-0.001, 0.003), (-0.001, 0, 0.001, 0.002, 0.003)),
    ],
)
def test_ticks_are_round_and_inside(values, ticks):
    axis = Axis.around(values, ticks=6)

    assert axis.ticks == pytest.approx(ticks)
    assert (axis.low, axis.high) == values


@pytest.mark.parametrize("values", [(), (3.0,), (0.0, 0.0), (1e300, 1e-300), (1e18, 1e18 + 1)])
def test_an_axis_can_be_made_of_anything_finite(values):
    axis = Axis.around(values, ticks=5)

    assert axis.low < axis.high or axis.share(values[0]) == 0.5
    assert all(math.isfinite(tick) and axis.label(tick) for tick in axis.ticks)


def test_thinning_keeps_peaks_and_ends():
    points = [(float(x), 0.0) for x in range(10_000)]
    points[1234] = (1234.0, 9.0)
    kept = thinned(points, 300)

    assert (1234.0, 9.0) in kept
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert len(kept) < 400


def test_a_terminal_chart_falls_where_the_line_falls():
    drawn = terminal.draw(chart(("a", LINE)), columns=40, rows=8).splitlines()

    assert drawn[0] == "loss <&> 손실"
    plot = [line.partition("│")[2] or line.partition("┤")[2] for line in drawn[1:9]]
    first = [len(line) - len(line.lstrip()) for line in plot if line.strip()]
    assert first == sorted(first)
    assert drawn[-1].strip().startswith("0")
    assert drawn[-1].endswith("49")


def test_several_series_are_told_apart_by_marks():
    drawn = terminal.draw(chart(("하나", LINE), ("둘", tuple((x, y + 1) for x, y in LINE))))

    assert "● 하나" in drawn
    assert "■ 둘" in drawn


@pytest.mark.parametrize("points", [(), ((0.0, math.nan),), ((0.0, math.inf), (1.0, 2.0)), ((5.0, 5.0),)])
def test_what_cannot_be_drawn_is_left_out(points):
    made = chart(("a", points), ("b", ()))

    assert terminal.draw(made)
    assert "nan" not in svg.draw(made)
    assert "inf" not in svg.draw(made)
    assert png.draw([made]).startswith(b"\x89PNG")


def test_svg_is_xml_and_escapes_names():
    tree = ElementTree.fromstring(svg.draw(chart(("<script>", LINE), ("b", LINE))))

    words = [element.text for element in tree.iter() if element.text]
    assert "loss <&> 손실" in words
    assert "<script>" in words
    assert len([element for element in tree.iter() if element.tag.endswith("polyline")]) == 2


def test_a_page_needs_nothing_else_and_escapes_all():
    made = page.page("<t>", [("Params", ("", "<a>", "b"), [("x", "<1>", "2"), ("y", "1", "1")])], [chart(("a", LINE))])

    assert "<t>" not in made
    assert "&lt;1&gt;" in made
    assert 'class="differs">&lt;1&gt;' in made
    assert "<script" not in made
    assert "http" not in made.replace("http://www.w3.org/2000/svg", "")


def test_a_png_shows_the_line_in_its_colour():
    from PIL import Image

    image = Image.open(io.BytesIO(png.draw([chart(("a", LINE)), chart(("a", LINE), ("b", LINE))])))

    assert image.size == (png.WIDTH * png.SCALE, (2 * png.HEIGHT + 2 * png.LEGEND_ROW) * png.SCALE)
    colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
    assert (0x34, 0x65, 0xA4) in colours
