"""What ADD and a context may name besides files."""

from __future__ import annotations

import pytest

from teul.build.sources import is_git, is_remote, parse_git, parse_http, without_password
from teul.errors import InvalidInput

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("word", "git"),
    [
        ("https://host/a.git", True),
        ("https://host/a.git#v1:sub", True),
        ("https://host/a.git?ref=v1", True),
        ("https://host/a.tar.gz", False),
        ("http://host/a?x=.git", False),
        ("git://host/a", True),
        ("ssh://git@host/a", True),
        ("git@host:group/a.git", True),
        ("git@host:group/a.git#main", True),
    ],
)
def test_a_repository_is_told_from_a_file(word: str, git: bool) -> None:
    assert (is_remote(word), is_git(word)) == (True, git)


@pytest.mark.parametrize("word", ["a.git", "./a", "/a@b", "dir/x:y", "C:/x", "http:/x", "-x@h:p"])
def test_a_path_is_no_address(word: str) -> None:
    assert not is_remote(word)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/a/b.tar.gz?x=1#y", "b.tar.gz"),
        ("https://host/dir/", "dir"),
        ("https://host", "__unnamed__"),
        ("https://host/%ED%95%9C.txt", "한.txt"),
        ("https://host/..%2f..%2fetc", "__unnamed__"),
        ("https://host/..", "__unnamed__"),
    ],
)
def test_a_file_is_called_as_its_url_ends_and_never_leaves_its_folder(url: str, name: str) -> None:
    assert parse_http(url).name == name


@pytest.mark.parametrize("url", ["http://", "http:///x", "http://a b/", "http://h:x/", "http://[::1/x", "http://h/\n"])
def test_an_address_without_a_host_is_none(url: str) -> None:
    with pytest.raises(InvalidInput):
        parse_http(url)


def test_fragment_and_query_say_the_same() -> None:
    fragment = parse_git("https://host/a.git#v1:/sub/./x")

    assert (fragment.ref, fragment.subdir) == ("v1", "sub/x")
    assert parse_git("https://host/a.git?ref=v1&subdir=sub/x") == fragment
    assert parse_git("https://host/a.git?tag=v1").ref == "refs/tags/v1"
    assert parse_git("https://host/a.git?branch=b").ref == "refs/heads/b"
    assert parse_git(f"https://host/a.git?commit={COMMIT}").ref == COMMIT
    assert parse_git("https://host/a.git?submodules=false&keep-git-dir&mtime=commit").keep_git_dir
    assert parse_git("git@host:a/b.git#v1").url == "git@host:a/b.git"


@pytest.mark.parametrize(
    "word",
    [
        "https://host/a.git#--upload-pack=touch",
        "https://host/a.git#-x",
        "https://host/a.git#a..b",
        "https://host/a.git#a b",
        "https://host/a.git#a.lock",
        "https://host/a.git?what=1",
        "https://host/a.git?ref=a&ref=b",
        "https://host/a.git?ref=a#b",
        "https://host/a.git?submodules=maybe",
        "https://host/a.git?mtime=never",
        "https://host/a.git?commit=xyz",
        "ssh://-oProxyCommand=x/a.git",
        "git@host:-x",
        "ssh:///a.git",
    ],
)
def test_what_could_become_an_option_or_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput):
        parse_git(word)


def test_a_checksum_is_the_beginning_of_a_commit() -> None:
    assert parse_git("https://host/a.git#v1", checksum=COMMIT[:8]).checksum == COMMIT[:8]
    with pytest.raises(InvalidInput, match="at least 7"):
        parse_git("https://host/a.git#v1", checksum="0123")
    with pytest.raises(InvalidInput, match="two different"):
        parse_git("https://host/a.git?commit=" + COMMIT, checksum="fffffff")
    with pytest.raises(InvalidInput, match="64"):
        parse_http("https://host/a", "sha256:00")


def test_a_password_is_not_shown() -> None:
    assert without_password("https://me:secret@host/a@b") == "https://me:xxxxx@host/a@b"
    assert without_password("https://host/a:b@c") == "https://host/a:b@c"
    assert "secret" not in str(parse_git("https://me:secret@host/a.git#v1").definition)
