"""What `ADD` and a build context may name besides files: an http(s) URL, a git repository. Pure; nothing is fetched here.

Source: Dockerfile reference, "ADD", "Adding files from a Git repository"; moby/buildkit, util/gitutil (what is taken
for a repository) and frontend/dockerfile/dfgitutil (the query form).
"""

from __future__ import annotations

import re

from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
    from typing import Any
else:
    from teul.values import dataclass

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PREFIX = re.compile(r"[0-9a-f]{7,64}")
_SCP = re.compile(r"(?P<user>[A-Za-z0-9._][A-Za-z0-9._-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^:].*)")
_REF = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]+")
_QUERY = (
    "ref",
    "tag",
    "branch",
    "commit",
    "checksum",
    "subdir",
    "submodules",
    "keep-git-dir",
    "fetch-by-commit",
    "mtime",
)
_TRUE, _FALSE = ("1", "t", "true"), ("0", "f", "false")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSource:
    """A file at a URL; `name` is what it is called in a folder; `checksum` is `sha256:…` or ""."""

    url: str
    name: str
    checksum: str = ""

    @property
    def shown(self) -> str:
        return without_password(self.url)

    @property
    def definition(self) -> Mapping[str, Any]:
        return {"url": self.shown, "name": self.name, "checksum": self.checksum}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """A repository at one point. `ref` "" is its HEAD; `checksum` is what the commit's digest has to begin with."""

    url: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    submodules: bool = True
    keep_git_dir: bool = False
    fetch_by_commit: bool = False
    commit_mtime: bool = False
    """Files get the commit's time instead of the time of the checkout."""

    @property
    def shown(self) -> str:
        place = f"#{self.ref}" if self.ref or self.subdir else ""
        return without_password(self.url) + place + (f":{self.subdir}" if self.subdir else "")

    @property
    def definition(self) -> Mapping[str, Any]:
        return {
            "git": without_password(self.url),
            "ref": self.ref,
            "subdir": self.subdir,
            "checksum": self.checksum,
            "submodules": self.submodules,
            "keep git dir": self.keep_git_dir,
            "commit time": self.commit_mtime,
        }


def is_http(word: str) -> bool:
    """Whether *word* begins as a web address."""
    return word.startswith(("http://", "https://"))


def is_git(word: str) -> bool:
    """Whether *word* names a repository: by its scheme, as `user@host:path`, or as a web address that ends in `.git`."""
    if word.startswith(("git://", "ssh://")):
        return True
    if is_http(word):
        return word.partition("#")[0].partition("?")[0].endswith(".git")
    return _SCP.fullmatch(word.partition("#")[0]) is not None


def is_remote(word: str) -> bool:
    return is_http(word) or is_git(word)


def is_remote_context(word: str) -> bool:
    """As `is_remote`, for a build context, where `github.com/…` is a repository as well."""
    return is_remote(word) or word.startswith("github.com/")


def parse_http(url: str, checksum: str = "") -> HttpSource:
    """Read a web address.

    Raises:
        InvalidInput: no host, or a checksum that is no sha256.
    """
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(text("invalid URL `{url}`: {problem}", url=without_password(url), problem=error)) from error
    if not host or any(ord(char) <= 0x20 or ord(char) == 0x7F for char in url):
        raise InvalidInput(text("invalid URL `{url}`: {problem}", url=without_password(url), problem="no host"))
    if checksum and not re.fullmatch(r"sha256:[0-9a-f]{64}", checksum):
        raise InvalidInput(
            text(
                "invalid checksum `{value}`: expected `sha256:` and 64 lower-case hexadecimal digits",
                value=checksum[:100],
            )
        )
    name = unquote(parts.path.rstrip("/").rpartition("/")[2])
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        name = "__unnamed__"
    return HttpSource(url=url, name=name, checksum=checksum)


def parse_git(word: str, *, checksum: str = "", keep_git_dir: bool = False) -> GitSource:
    """Read a repository's address: `URL#ref:subdir`, or with a query (`URL?ref=…&subdir=…`).

    Raises:
        InvalidInput: an unknown key, two answers to one question, a ref or a folder that could be something else.
    """
    if word.startswith("github.com/"):
        word = f"https://{word}"
    head, _, fragment = word.partition("#")
    url, asked, query = head.partition("?")
    if _SCP.fullmatch(head):
        url, asked, query = head, "", ""
    given: dict[str, str] = {}
    if asked:
        from urllib.parse import parse_qsl

        for key, value in parse_qsl(query, keep_blank_values=True):
            if key not in _QUERY:
                raise InvalidInput(
                    text("git source `{url}`: unexpected query `{key}`", url=without_password(url), key=key),
                    hint=text("the keys are: {names}", names=", ".join(_QUERY)),
                )
            if key in given:
                raise InvalidInput(text("git source `{url}`: `{key}` twice", url=without_password(url), key=key))
            given[key] = value
    ref, _, subdir = fragment.partition(":")
    for key, prefix in (("ref", ""), ("tag", "refs/tags/"), ("branch", "refs/heads/")):
        if key in given:
            if ref:
                raise InvalidInput(
                    text("git source `{url}`: expected one of ref, tag and branch", url=without_password(url))
                )
            ref = prefix + given[key].removeprefix(prefix) if prefix else given[key]
    if "subdir" in given:
        if subdir:
            raise InvalidInput(text("git source `{url}`: `{key}` twice", url=without_password(url), key="subdir"))
        subdir = given["subdir"]
    commit = given.get("commit") or given.get("checksum") or ""
    if commit and checksum and not (commit.startswith(checksum) or checksum.startswith(commit)):
        raise InvalidInput(
            text(
                "git source `{url}`: two different checksums: `{one}` and `{other}`",
                url=without_password(url),
                one=commit,
                other=checksum,
            )
        )
    checksum = max(commit, checksum, key=len).lower()
    if checksum and not _PREFIX.fullmatch(checksum):
        raise InvalidInput(
            text(
                "invalid checksum `{value}`: expected at least 7 hexadecimal digits of a commit",
                value=checksum[:100],
            )
        )
    if not ref and COMMIT.fullmatch(checksum):
        ref = checksum
    if ref and not _is_ref(ref):
        raise InvalidInput(text("git source `{url}`: invalid ref `{ref}`", url=without_password(url), ref=ref[:200]))
    _check_place(url)
    return GitSource(
        url=url,
        ref=ref,
        subdir="/".join(part for part in subdir.split("/") if part not in ("", ".")),
        checksum=checksum,
        submodules=_boolean(given, "submodules", url, True),
        keep_git_dir=_boolean(given, "keep-git-dir", url, keep_git_dir),
        fetch_by_commit=_boolean(given, "fetch-by-commit", url, False),
        commit_mtime=_mtime(given, url),
    )


def _check_place(url: str) -> None:
    """Neither the host nor the path may be taken for an option by a program that gets it."""
    scp = _SCP.fullmatch(url)
    if scp is not None:
        bad = scp["path"].startswith("-")
    else:
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(url)
            bad = not parts.hostname or parts.hostname.startswith("-") or (parts.username or "").startswith("-")
        except ValueError:
            bad = True
    if bad or any(ord(char) <= 0x20 or ord(char) == 0x7F for char in url):
        raise InvalidInput(text("invalid git address `{url}`", url=without_password(url)))


def _is_ref(ref: str) -> bool:
    """A name that git would take for a ref and for nothing else (git-check-ref-format)."""
    return (
        _REF.fullmatch(ref) is not None
        and not ref.startswith(("-", "/", "+"))
        and not ref.endswith(("/", ".", ".lock"))
        and ".." not in ref
        and "@{" not in ref
        and "//" not in ref
    )


def _boolean(given: Mapping[str, str], key: str, url: str, default: bool) -> bool:
    value = given.get(key)
    if value is None:
        return default
    if value == "" or value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise InvalidInput(
        text(
            "git source `{url}`: expected {key}=true or false, got `{value}`",
            url=without_password(url),
            key=key,
            value=value,
        )
    )


def _mtime(given: Mapping[str, str], url: str) -> bool:
    value = given.get("mtime", "checkout")
    if value not in ("checkout", "commit"):
        raise InvalidInput(
            text(
                "git source `{url}`: expected mtime=checkout or commit, got `{value}`",
                url=without_password(url),
                value=value,
            )
        )
    return value == "commit"


def without_password(url: str) -> str:
    """The address without what stands for a password in it, for people, keys and histories."""
    scheme, separator, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    if not separator or not at or ":" not in user:
        return url
    return f"{scheme}://{user.partition(':')[0]}:xxxxx@{host}{slash}{path}"
