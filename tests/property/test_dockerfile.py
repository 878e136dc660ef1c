"""Whatever text comes: a result, or an error of ours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teul.build.dockerfile.lower import BaseImage, LowerOptions, lower
from teul.build.dockerfile.parser import parse
from teul.build.dockerfile.words import WordError, expand, split_words
from teul.build.dockerignore import IgnoreError, IgnoreMatcher, read_ignore_file
from teul.errors import TeulError
from teul.oci.descriptor import Platform
from teul.oci.image import ImageConfig

AMD64 = Platform("linux", "amd64")
WORDS = st.sampled_from(
    ["FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "ONBUILD", "HEALTHCHECK", "CMD", "LABEL", "EXPOSE", "VOLUME", "SHELL",
     "--from=", "--mount=", "--chmod=", "type=", "<<EOF", "EOF", "\\", "\n", "[", "]", '"', "'", "$", "{", "}", ":-", "=",
     "#", " ", "a", "/", "scratch", "AS", "%", "*", "escape=`", "틀", "\x00", "\r", "\t"]
)  # fmt: skip
TEXT = st.one_of(
    st.text(), st.lists(WORDS).map("".join), st.lists(WORDS).map(lambda words: "FROM a\n" + " ".join(words))
)


def image(reference: str, platform: Platform) -> BaseImage:
    return BaseImage(id="sha256:" + "0" * 64, config=ImageConfig(platform=platform))


@given(TEXT)
def test_any_text_lowers_or_is_refused(source: str) -> None:
    try:
        str(lower(parse(source), LowerOptions(platform=AMD64, build_platform=AMD64), image))
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
