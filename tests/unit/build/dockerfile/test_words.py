"""Spec: Dockerfile reference, "Environment replacement"; cases after BuildKit's shell/envVarTest and wordsTest."""

from __future__ import annotations

import pytest

from teul.build.dockerfile.words import WordError, expand, split_words, unquote

ENV = {"PWD": "/home", "SHELL": "bash", "KOREAN": "한국어", "NULL": "", "PATH": "/a:/b/a", "F": "archive.tar.gz"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", ""),
        ("hello", "hello"),
        ("he'll'o", "hello"),
        ("he\\'llo", "he'llo"),
        ('"he\\"llo"', 'he"llo'),
        ("'$PWD'", "$PWD"),
        ('"$PWD"', "/home"),
        ("\\$PWD", "$PWD"),
        ("a\\\\b", "a\\b"),
        ('"a\\b"', "a\\b"),
        ("$PWD/x", "/home/x"),
        ("${PWD}x", "/homex"),
        ("$NOPE", ""),
        ("${NOPE}", ""),
        ("$", "$"),
        ("$$", ""),
        ("a$ b", "a$ b"),
        ("$1x", "x"),
        ("${NOPE:-word}", "word"),
        ("${NULL:-word}", "word"),
        ("${NULL-word}", ""),
        ("${NOPE-word}", "word"),
        ("${PWD:-word}", "/home"),
        ("${PWD:+word}", "word"),
        ("${NULL:+word}", ""),
        ("${NULL+word}", "word"),
        ("${NOPE+word}", ""),
        ("${NOPE:-${PWD}}", "/home"),
        ("${NOPE:-${ALSO:-deep}}", "deep"),
        ("${NOPE:-$PWD:x}", "/home:x"),
        ("${PWD:?fine}", "/home"),
        ("$KOREAN", "한국어"),
        ("${F%.gz}", "archive.tar"),
        ("${F%.*}", "archive.tar"),
        ("${F%%.*}", "archive"),
        ("${F#*.}", "tar.gz"),
        ("${F##*.}", "gz"),
        ("${F#nope}", "archive.tar.gz"),
        ("${PATH//a/x}", "/x:/b/x"),
        ("${PATH/a/x}", "/x:/b/a"),
        ("${PATH/\\//x}", "xa:/b/a"),
        ("${PATH//:*/}", "/a"),
        ("${F/?rchive/A}", "A.tar.gz"),
        ('"${NOPE:-a b}"', "a b"),
        ("trailing\\", "trailing"),
    ],
)
def test_a_word_expands_as_docker_does(word: str, expected: str) -> None:
    assert expected == expand(word, ENV).text


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("${", "missing '}'"),
        ("${PWD", "looking for matching }"),
        ("${}", "bad substitution"),
        ("${:-x}", "bad substitution"),
        ("${PWD:-x", "missing '}'"),
        ("${PWD:x}", "unsupported modifier (:x)"),
        ("${PWD^^}", "unsupported modifier (^)"),
        ("${NOPE?}", "NOPE: is not allowed to be unset"),
        ("${NULL:?}", "NULL: is not allowed to be empty"),
        ("${NOPE:?say this}", "NOPE: say this"),
        ("${PATH/a}", "missing '/'"),
        ("'open", "matching single-quote"),
        ('"open', "matching double-quote"),
        ("${PWD:#x}", "unsupported modifier (:#)"),
    ],
)
def test_a_bad_word_is_named(word: str, message: str) -> None:
    with pytest.raises(WordError) as caught:
        expand(word, ENV)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a b", ["a", "b"]),
        ("'a b' c", ["a b", "c"]),
        ("$SPACED", ["x", "y"]),
        ('"$SPACED"', ["x y"]),
        ("a\\ b", ["a b"]),
        ("  ", []),
    ],
)
def test_words_split_after_expansion_unless_quoted(word: str, expected: list[str]) -> None:
    assert expected == expand(word, {"SPACED": "x y"}).words


def test_quotes_are_characters_where_paths_are_expanded() -> None:
    assert expand("it's $PWD", ENV, skip_quotes=True).text == "it's /home"


def test_an_unset_variable_can_stay() -> None:
    assert expand("${A:-b} $C $PWD", ENV, keep_unset=True).text == "${A:-b} $C /home"


def test_the_escape_may_be_a_backquote() -> None:
    assert expand("C:\\x `$PWD", ENV, escape="`").text == "C:\\x $PWD"


def test_used_and_missing_variables_are_told() -> None:
    made = expand("$PWD $NOPE ${OTHER:-$SHELL}", ENV)

    assert ({"PWD", "SHELL"}, {"NOPE"}) == (made.used, made.missing)


def test_splitting_keeps_quotes() -> None:
    assert split_words("a='b c'   d=\"e f\" g\\ h", "\\") == ["a='b c'", 'd="e f"', "g\\ h"]


def test_unquote_takes_quotes_and_escapes_away() -> None:
    assert unquote("'a b'\\'c") == "a b'c"


def test_nesting_has_a_limit() -> None:
    with pytest.raises(WordError):
        expand("${a:-" * 5000 + "}" * 5000, {})


@pytest.mark.parametrize("word", ["${a//x/" * 60 + "y" + "}" * 60, '"' + "$a" * 30_000 + '"', "$a" * 30_000])
def test_what_would_fill_the_memory_is_refused(word):
    with pytest.raises(WordError, match="at most 1048576 characters after expansion"):
        expand(word, {"a": "x" * 40})


def test_words_are_split_where_values_have_white_space():
    found = expand("a$b'c d'${e}f $g", {"b": " 1  2", "e": "\t", "g": " "})

    assert found.words == ["a", "1", "2c d", "f"]


def test_words_are_split_at_white_space_outside_of_quotes_and_stay_as_they_are() -> None:
    assert split_words("  a 'b c'd \"e' f\" g\\ h \\", "\\") == ["a", "'b c'd", '"e\' f"', "g\\ h"]
    assert split_words("a\\", "\\") == ["a"]
    assert split_words("a`  b\\ c `", "`") == ["a` ", "b\\", "c"]
    assert split_words("'a\\' b", "\\") == ["'a\\'", "b"]
    assert split_words("'open b", "\\") == ["'open b"]
    assert split_words("", "\\") == []
