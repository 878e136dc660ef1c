"""Markup that cannot be anything else."""

from hypothesis import given
from hypothesis import strategies as st

from teul.ml.web.html import Html, e, join


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
