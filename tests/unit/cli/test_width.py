import pytest

from teul.cli.width import cut, pad, printable, width


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("abc", 3),
        ("틀", 2),
        ("한글 ab", 7),
        ("e\u0301", 1),
        ("é", 1),
        ("\u1112\u1161\u11ab", 2),
        ("a\x07b", 2),
        ("—", 1),
    ],
)
def test_hangul_is_two_columns_and_marks_are_none(text, columns):
    assert columns == width(text)


def test_padding_counts_columns_not_characters():
    assert pad("틀", 4) == "틀  "
    assert pad("long", 2) == "long"


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("한글틀", 5, "한글…"), ("한글틀", 4, "한…"), ("ab", 0, "")],
)
def test_cutting_never_splits_a_wide_character(text, columns, expected):
    assert expected == cut(text, columns)
    assert width(cut(text, columns)) <= columns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("10%\r50%\r100%", "100%"),
        ("done\r", "done"),
        ("a\tb", "a    b"),
        ("bell\x07\x08", "bell"),
        ("한글 — ok", "한글 — ok"),
        ("\x1b", ""),
        ("\x1b[", ""),
    ],
)
def test_output_of_a_step_cannot_move_the_cursor(text, expected):
    assert expected == printable(text)
