from teul.cli.columns import render_table


def test_columns_are_at_least_ten_wide_with_three_spaces_between():
    shown = render_table(("ID", "IMAGE", "NAMES"), [("1", "python:3.11-slim", "web")])

    assert shown == "ID        IMAGE              NAMES\n1         python:3.11-slim   web"


def test_hangul_keeps_the_columns_straight():
    shown = render_table(("NAME", "N"), [("이탈예측모델", "1"), ("churnchurnchurn", "2")])

    assert shown.splitlines() == ["NAME              N", "이탈예측모델      1", "churnchurnchurn   2"]


def test_no_rows_is_the_heading_alone():
    assert render_table(("NAME", "N"), []) == "NAME      N"
    assert render_table((), []) == ""
