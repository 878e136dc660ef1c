"""`Reference`: what a human types for an image. Must not resolve it.

Spec: distribution-spec v1.1 "Pulling manifests" (name and tag grammar); Docker's familiar names
(`python` is `docker.io/library/python:latest`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from teul.errors import InvalidReference, text
from teul.oci.digest import Digest

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:.]+\])(?::[0-9]+)?"
)
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
        if not _DOMAIN.fullmatch(domain):
            raise InvalidReference(
                value, text("expected a host name before the first `/`, got `{domain}`", domain=domain)
            )
        path, colon, tag = remainder.partition(":")
        if domain == DEFAULT_DOMAIN and path and "/" not in path:
            path = "library/" + path
        if colon and not _TAG.fullmatch(tag):
            raise InvalidReference(
                value, text("expected a tag of letters, digits, `_`, `.` and `-`, got `{tag}`", tag=tag)
            )
        if path.lower() != path:
            raise InvalidReference(value, text("repository name must be lowercase"))
        if not _PATH.fullmatch(path) or len(domain) + len(path) > 255:
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
