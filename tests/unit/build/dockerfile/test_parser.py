from __future__ import annotations

import pytest

from teul.build.dockerfile.parser import parse
from teul.errors import DockerfileError


def test_comments_and_continuations_are_joined_as_docker_does() -> None:
    (node,) = parse("# c\n\nRUN a \\\n  # inside\n\n   b\\\nc\n").nodes

    assert (node.keyword, node.rest, node.line, node.end_line) == ("RUN", "a    bc", 3, 7)


def test_a_doubled_escape_at_the_end_is_no_continuation() -> None:
    assert [node.keyword for node in parse("RUN a \\\\\nRUN b").nodes] == ["RUN", "RUN"]


def test_carriage_returns_belong_to_the_line_end() -> None:
    assert [node.rest for node in parse("RUN a\r\nRUN b\r\n").nodes] == ["a", "b"]


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse("\ufeffFROM x").nodes[0].keyword == "FROM"


def test_keywords_may_be_written_in_any_case() -> None:
    assert [node.keyword for node in parse("from x\nRun y").nodes] == ["FROM", "RUN"]


def test_directives_stand_at_the_top_only() -> None:
    made = parse("# Syntax = docker/dockerfile:1.7-labs\n# escape=`\n# check=skip=all\nFROM x\n# escape=\\\n")

    assert made.directives == {"syntax": "docker/dockerfile:1.7-labs", "escape": "`", "check": "skip=all"}
    assert made.escape == "`"


def test_a_plain_comment_ends_the_directives() -> None:
    assert parse("# hello\n# escape=`\nFROM x").escape == "\\"


def test_a_mirror_of_dockers_frontend_is_dockers_frontend() -> None:
    assert parse("# syntax=registry.example.com:5000/docker/dockerfile:1\nFROM x").nodes


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("# escape=x\nFROM a", "invalid escape token 'x'", 1),
        ("# escape=`\n# escape=`\nFROM a", "only one escape parser directive", 2),
        ("# syntax=other/frontend\nFROM a", "only Docker's own frontend", 1),
        ("FROM a\nRUN <<EOF\nx\n", "unterminated heredoc", 2),
        ("", "file with no instructions", 1),
        ("# only a comment\n", "file with no instructions", 1),
    ],
)
def test_what_cannot_be_parsed_is_named_with_its_line(source: str, message: str, line: int) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(source)

    assert message in str(caught.value)
    assert caught.value.span is not None
    assert line == caught.value.span.line


def test_flags_are_taken_off_in_front_quotes_and_all() -> None:
    (node,) = parse('RUN --mount=type=cache,target="/a b" --network=none -- --not-a-flag').nodes

    assert node.flags == ("--mount=type=cache,target=/a b", "--network=none")
    assert node.rest == "--not-a-flag"


def test_heredocs_keep_their_lines_and_say_whether_they_expand() -> None:
    (node,) = parse("RUN a <<X && b <<-'Y'\n1 \\\n# 2\nX\n\t3\n\tY\n").nodes

    assert [(heredoc.name, heredoc.text, heredoc.expand) for heredoc in node.heredocs] == [
        ("X", "1 \\\n# 2\n", True),
        ("Y", "3\n", False),
    ]


@pytest.mark.parametrize("line", ["RUN cat <<<word", 'RUN ["a", "<<EOF"]', "ENV A=<<EOF", "RUN echo '<<EOF'"])
def test_what_looks_like_a_heredoc_and_is_none(line: str) -> None:
    assert parse(f"{line}\n").nodes[0].heredocs == ()


def test_the_place_of_a_word_is_found_over_several_lines() -> None:
    span = parse("RUN a \\\n  --bad thing").nodes[0].span("--bad")

    assert (span.line, span.column, span.end_column) == (2, 3, 8)
