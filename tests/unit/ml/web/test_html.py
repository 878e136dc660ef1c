"""Markup that cannot be anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teul.ml.web.html import Html, e, join
from teul.ml.web.view import number


def test_elements_and_attributes():
    assert e("a", "x", href="/y", class_="b", data_z=1, hidden=True, title=None, download=False) == (
        '<a href="/y" class="b" data-z="1" hidden>x</a>'
    )
    assert e("br") == "<br>"
    assert e("p", ("a", None, [1, e("b", "c")])) == "<p>a1<b>c</b></p>"


def test_what_is_not_markup_is_escaped():
    assert e("p", "<script>") == "<p>&lt;script&gt;</p>"
    assert e("p", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;"></p>'
    assert join(Html("<b>x</b>")) == "<b>x</b>"


@given(st.text(), st.text())
def test_no_text_can_leave_its_place(text, value):
    made = e("p", text, title=value)
    assert made.count("<") == 2
    assert made.count(">") == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3.0, "3"),
        (12345.0, "12\u202f345"),
        (0.1 + 0.2, "0.3"),
        (99999.25, "99999.2"),
        (1234567.891, "1\u202f234\u202f567.9"),
        (-1234567.891, "-1\u202f234\u202f567.9"),
        (1.5e20, "1.5e+20"),
        (1e-7, "1e-07"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_a_metric_is_shown_as_people_compare_it(value, shown):
    assert number(value) == shown
