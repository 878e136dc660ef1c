"""Places of keys and values in TOML v1.0.0."""

import tomllib

import pytest

from teul.ml.places import Places

SOURCE = '''# a comment with [brackets] and "quotes"
title = "x # y"  # end
"quoted key" = 1
a.b."c" = 'lit\\'
[ table . "sub" ]
list = [ "one", # first ]
  """two
"quoted"""", [1, 2.5], ]
inline = { x = 1, y = { z = "q" } }
when = 2024-05-15T02:49:00Z
[[many]]
n = 1
[[many]]
n = 0x2
'''


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("title",), '"x # y"'),
        (("quoted key",), "1"),
        (("a", "b", "c"), "'lit\\'"),
        (("table", "sub", "list", 0), '"one"'),
        (("table", "sub", "list", 1), '"""two\n"quoted""""'),
        (("table", "sub", "list", 2, 1), "2.5"),
        (("table", "sub", "inline", "x"), "1"),
        (("table", "sub", "inline", "y", "z"), '"q"'),
        (("table", "sub", "when"), "2024-05-15T02:49:00Z"),
        (("many", 1, "n"), "0x2"),
    ],
)
def test_values_are_found_where_they_stand(path, text):
    tomllib.loads(SOURCE)
    places = Places.of(SOURCE)

    assert text == SOURCE[slice(*places.values[path])]


def test_spans_have_lines_and_columns():
    places = Places.of(SOURCE)

    span = places.value("f", ("table", "sub", "list", 0))
    assert (str(span), span.source, span.end_column) == ("f:6:10", 'list = [ "one", # first ]', 15)
    assert str(places.value("f", ("title",), 2, 3)) == "f:2:12"
    assert str(places.key("f", ("table", "sub", "missing"))) == "f:5:11"
    assert str(places.key("f", ())) == "f:1"
