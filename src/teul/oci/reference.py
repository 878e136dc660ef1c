"""`Reference`: what a human types for an image. Must not resolve it.

Spec: distribution-spec v1.1 "Pulling manifests" (name and tag grammar); Docker's familiar names
(`python` is `docker.io/library/python:latest`).
"""

from __future__ import annotations

from teul.errors import InvalidReference, text
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from teul.values import dataclass

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ALPHANUMERIC = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TAG = _ALPHANUMERIC | frozenset("_.-")
_LABEL = _ALPHANUMERIC | {"-"}
_ADDRESS = frozenset("0123456789abcdefABCDEF:.")
_DIGITS = frozenset("0123456789")
TAG_LIMIT = 128
DEFAULT_DOMAIN = "docker.io"


@dataclass(frozen=True, slots=True)
class Reference:
    """A registry's domain, a repository's path, and a tag or a digest (or both)."""

    domain: str
    path: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, value: str) -> Reference:
        """Read *value* as Docker does; a missing tag becomes `latest` unless there is a digest.

        Raises:
            InvalidReference: names the part that is wrong.
        """
        rest, digest = value, None
        if "@" in rest:
            rest, _, after = rest.partition("@")
            digest = Digest.parse(after)
        if not rest:
            raise InvalidReference(value, text("expected a repository name"))
        head, slash, tail = rest.partition("/")
        if slash and ("." in head or ":" in head or head == "localhost" or head.lower() != head):
            domain, remainder = head, tail
        else:
            domain, remainder = DEFAULT_DOMAIN, rest
        if domain == "index.docker.io":
            domain = DEFAULT_DOMAIN
        if not is_domain(domain):
            raise InvalidReference(
                value, text("expected a host name before the first `/`, got `{domain}`", domain=domain)
            )
        path, colon, tag = remainder.partition(":")
        if domain == DEFAULT_DOMAIN and path and "/" not in path:
            path = "library/" + path
        if colon and not is_tag(tag):
            raise InvalidReference(
                value, text("expected a tag of letters, digits, `_`, `.` and `-`, got `{tag}`", tag=tag)
            )
        if path.lower() != path:
            raise InvalidReference(value, text("repository name must be lowercase"))
        if not is_path(path) or len(domain) + len(path) > 255:
            raise InvalidReference(
                value, text("expected a repository name of lower-case letters, digits and separators")
            )
        return cls(domain, path, tag or ("" if digest else "latest"), digest)

    @property
    def repository(self) -> str:
        """Domain and path, in full."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_repository(self) -> str:
        """The repository as Docker prints it: without `docker.io/` and `library/`."""
        if self.domain != DEFAULT_DOMAIN:
            return self.repository
        return self.path.removeprefix("library/") if self.path.count("/") == 1 else self.path

    @property
    def familiar(self) -> str:
        """What Docker prints: `python:3.11-slim`."""
        made = self.familiar_repository
        if self.tag:
            made += f":{self.tag}"
        if self.digest:
            made += f"@{self.digest}"
        return made

    def __str__(self) -> str:
        """The full form; `Reference.parse(str(x)) == x`."""
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def is_path(word: str) -> bool:
    """Whether *word* is a repository's path (read by hand: a compiled pattern costs every `teul run` a millisecond).

    Grammar: path = component { "/" component } ; component = alphanumerics { separator alphanumerics } ;
    separator = "." | "_" | "__" | "-" { "-" } ; alphanumerics are lower-case.
    """
    for component in word.split("/"):
        # As if a dot stood before it, so that a component cannot begin with a separator.
        separator = "."
        for char in component:
            if char in _LOWER:
                separator = ""
                continue
            separator += char
            if separator not in (".", "_", "__") and separator.strip("-"):
                return False
        if separator or not component:
            return False
    return True


def is_tag(word: str) -> bool:
    """Grammar: tag = ( letter | digit | "_" ) { letter | digit | "_" | "." | "-" } ; at most 128."""
    return 0 < len(word) <= TAG_LIMIT and word[0] not in ".-" and _TAG.issuperset(word)


def is_domain(word: str) -> bool:
    """Grammar: domain = ( name | "[" address "]" ) [ ":" port ] ; name = label { "." label }.

    A label has letters, digits and "-", which neither begins nor ends it.
    """
    if word.startswith("["):
        address, bracket, rest = word[1:].partition("]")
        if not bracket or not address or not _ADDRESS.issuperset(address):
            return False
        if not rest:
            return True
        return rest[0] == ":" and len(rest) > 1 and _DIGITS.issuperset(rest[1:])
    name, colon, port = word.partition(":")
    if colon and (not port or not _DIGITS.issuperset(port)):
        return False
    return all(label and _LABEL.issuperset(label) and label[0] != "-" and label[-1] != "-" for label in name.split("."))
