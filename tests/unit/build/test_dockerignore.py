"""Source of the table: the behaviour of moby/patternmatcher (`MatchesOrParentMatches`)."""

from __future__ import annotations

import pytest

from teul.build.dockerignore import IgnoreError, IgnoreMatcher, component_regex, has_wildcards, read_ignore_file


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**", "file", True),
        ("**", "dir/file", True),
        ("**/", "file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/file", True),
        ("dir/**", "dir/dir2/file", True),
        ("dir/**", "dir", False),
        ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/*", "dir/dir2/dir2/file", True),
        ("**file", "file", True),
        ("**file", "dir/file", True),
        ("**/file", "dir/dir/file", True),
        ("**/file", "file", True),
        ("**/file*", "dir/dir/file.txt", True),
        ("**/file*txt", "dir/dir/file.txt", True),
        ("**/**/*.txt", "dir/dir/file.txt", True),
        ("**/**/*.txt2", "dir/dir/file.txt", False),
        ("a**/*.txt", "a/dir/file.txt", True),
        ("a/*.txt", "a/dir/file.txt", False),
        ("a[b-d]e", "ae", False),
        ("a[b-d]e", "ace", True),
        ("a[^b-d]e", "aze", True),
        ("abc.def", "abcdef", False),
        ("abc.def", "abc.def", True),
        ("a.*", "a.txt", True),
        ("**/foo/bar", "foo/bar", True),
        ("**/foo/bar", "dir/foo/bar", True),
        ("abc/**", "abc/def/ghi", True),
        ("**/.foo", "bar.foo", False),
        ("*", "a/b", True),
        ("*.pyc", "a/b.pyc", False),
        ("a\\*b", "a*b", True),
        ("a(b)c/def", "a(b)c/def", True),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
        ("dist/*.whl", "dist/proxy.py-2.4.0rc3.whl", True),
        ("docs", "docs/README.md", True),
        ("한국/*", "한국/어", True),
    ],
)
def test_a_pattern_matches_as_in_docker(pattern: str, path: str, expected: bool) -> None:
    assert expected is IgnoreMatcher([pattern]).is_ignored(path)


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        (["**", "!util/docker/web"], "util/docker/web/foo", False),
        (["**", "!util/docker/web", "util/docker/web/foo"], "util/docker/web/foo", True),
        (["**", "!dist/proxy.py-2.4.0rc3.dev36.whl"], "dist/proxy.py-2.4.0rc3.dev36.whl", False),
        (["*", "!dist/*.whl"], "dist/x.whl", False),
        (["docs", "!docs/README.md"], "docs/README.md", False),
        (["docs", "!docs/README.md"], "docs/other.md", True),
        (["!docs/README.md", "docs"], "docs/README.md", True),
        (["*.md", "!README*.md", "README-secret.md"], "README-secret.md", True),
        (["*.md", "!README*.md", "README-secret.md"], "README.md", False),
    ],
)
def test_the_last_pattern_that_matches_decides(patterns: list[str], path: str, expected: bool) -> None:
    assert expected is IgnoreMatcher(patterns).is_ignored(path)


@pytest.mark.parametrize("pattern", ["[", "a[", "[]a]" if False else "[a", "a\\", "!"])
def test_a_bad_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(IgnoreError):
        IgnoreMatcher([pattern])


def test_the_file_is_read_line_by_line_comments_slashes_and_all() -> None:
    source = "\ufeff# comment\n\n  test1  \n/test2\n/a/file/here\n\nlastfile\n# this is a comment\n! /inverted/abs/path\n!\n! \nb/../c/\n"

    assert read_ignore_file(source) == [
        "test1",
        "test2",
        "a/file/here",
        "lastfile",
        "!inverted/abs/path",
        "!",
        "!",
        "c",
    ]


def test_a_line_ends_where_go_says_it_ends() -> None:
    assert read_ignore_file("a\x0cb\r\nc\x85d\ne\u2028f\ng\rh") == ["a\x0cb", "c\x85d", "e\u2028f", "g\rh"]


def test_an_ignored_folder_is_entered_only_where_an_exception_may_be_inside() -> None:
    matcher = IgnoreMatcher(["*", "!docs/*.md", "!src/keep"])

    assert [matcher.may_hold_exceptions(path) for path in ("docs", "src", "data")] == [True, True, False]


def test_which_names_the_pattern() -> None:
    assert IgnoreMatcher(["*.md", "data"]).which("data/x") == "data"
    assert IgnoreMatcher(["*.md", "data", "!data/x"]).which("data/x") == ""


def test_a_star_of_copy_stays_within_a_component() -> None:
    assert component_regex("*.txt").fullmatch("a.txt")
    assert not component_regex("*.txt").fullmatch("a/b.txt")
    assert has_wildcards("a[bc]")
    assert not has_wildcards("a\\*")
