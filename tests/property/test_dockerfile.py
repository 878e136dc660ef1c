"""Whatever text comes: a result, or an error of ours."""

from __future__ import annotations

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from teul.build.dockerfile.lower import BaseImage, LowerOptions, lower
from teul.build.dockerfile.parser import parse
from teul.build.dockerfile.reader import read
from teul.build.dockerfile.words import WordError, expand, split_words
from teul.build.dockerignore import IgnoreError, IgnoreMatcher, _Glob, _regex, check_pattern, read_ignore_file
from teul.build.lint.outline import outline, targets
from teul.build.sources import is_remote, parse_git, parse_http
from teul.errors import InvalidInput, TeulError
from teul.oci.descriptor import Platform
from teul.oci.image import ImageConfig

AMD64 = Platform("linux", "amd64")
WORDS = st.sampled_from(
    ["FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "ONBUILD", "HEALTHCHECK", "CMD", "LABEL", "EXPOSE", "VOLUME", "SHELL",
     "--from=", "--mount=", "--chmod=", "type=", "<<EOF", "EOF", "\\", "\n", "[", "]", '"', "'", "$", "{", "}", ":-", "=",
     "#", " ", "a", "/", "scratch", "AS", "%", "*", "escape=`", "틀", "\x00", "\r", "\t", "https://h/x", "git@h:", ".git", "?ref=",
     "--device=", "--security=insecure", "check=", "skip=all", ";", "\\ud800", "\udc80", "//", "##"]
)  # fmt: skip
TEXT = st.one_of(
    st.text(), st.lists(WORDS).map("".join), st.lists(WORDS).map(lambda words: "FROM a\n" + " ".join(words))
)


def image(reference: str, platform: Platform) -> BaseImage:
    return BaseImage(id="sha256:" + "0" * 64, config=ImageConfig(platform=platform))


@given(TEXT)
def test_any_text_lowers_or_is_refused(source: str) -> None:
    try:
        dockerfile = parse(source)
        targets(read(dockerfile), {})
        outline(read(dockerfile), "", {})
        allowed = frozenset({"network.host", "security.insecure", "device"})
        str(lower(dockerfile, LowerOptions(platform=AMD64, build_platform=AMD64, allowed=allowed), image))
    except TeulError:
        pass


@given(TEXT, st.dictionaries(st.text("abc_"), st.text()), st.booleans())
def test_any_word_expands_or_is_refused(word: str, env: dict[str, str], skip: bool) -> None:
    try:
        expand(word, env, skip_quotes=skip)
    except WordError:
        pass


@given(st.text())
def test_splitting_loses_nothing_but_white_space(line: str) -> None:
    kept = "".join(split_words(line, "\\"))

    assert [char for char in line if not char.isspace()][: len(kept)] == [char for char in kept if not char.isspace()]


@given(st.text(), st.text("ab/.*?![]^-\\"))
def test_any_ignore_file_is_read_or_refused(source: str, path: str) -> None:
    for text in (source, path):
        try:
            matcher = IgnoreMatcher(read_ignore_file(text))
        except IgnoreError:
            continue
        matcher.is_ignored(path.strip("/") or "a")


@given(
    st.lists(st.sampled_from(["*", "**", "**/", "/", "a", "b", "?", "[ab]", "[^a]", "[a-b]", "\\*", "."]), max_size=8),
    st.lists(st.text("ab/*.", max_size=8)),
)
def test_a_pattern_of_many_stars_means_what_its_regular_expression_does(parts: list[str], paths: list[str]) -> None:
    pattern = "".join(parts)
    try:
        check_pattern(pattern)
    except IgnoreError:
        assume(False)
    regex, glob = re.compile(_regex(pattern), re.DOTALL), _Glob(pattern)

    assert [bool(regex.fullmatch(path)) for path in paths] == [bool(glob.fullmatch(path)) for path in paths]


@given(st.integers(5, 40), st.integers(20, 200))
def test_no_pattern_takes_longer_than_its_length(stars: int, length: int) -> None:
    """A regular expression would try every way to fill the stars; this ends at once or not before the time limit."""
    value = "a" * length

    assert expand("${v//" + "*a" * stars + "b/x}", {"v": value}).text == value
    assert expand("${v%" + "*a" * stars + "b}", {"v": value}).text == value
    assert not IgnoreMatcher(["*a" * stars + "b"]).is_ignored(value)
    assert not IgnoreMatcher(["**/" * stars + "b"]).is_ignored("a/" * 20 + "c")


ADDRESSES = st.lists(
    st.sampled_from(["https://", "git@", "ssh://", "h", "x", ".git", "#", ":", "?", "ref=", "&", "commit=", "-", "..", "/",
                     "@", "%2f", "[", "]", "subdir=", " ", "\n", "한", "0123456789abcdef", "\x00"])
).map("".join)  # fmt: skip


@given(ADDRESSES)
def test_any_address_is_read_or_refused_and_never_becomes_an_option_or_leaves_its_folder(word: str) -> None:
    if not is_remote(word):
        return
    try:
        name = parse_http(word).name
        assert name not in ("", ".", "..")
        assert "/" not in name
    except InvalidInput:
        pass
    try:
        source = parse_git(word)
    except InvalidInput:
        return
    assert not source.ref.startswith("-")
    assert not source.url.startswith("-")
    assert ".." not in source.ref
