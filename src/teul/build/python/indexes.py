"""Where packages come from: pip's and uv's settings as one value, and as uv's configuration. Must not fetch.

The settings of an install are those of the command, its requirement files, its variables, and the host's that teul
hands on (`runtime.host_trust`); all of them have been put together by now.
"""

from __future__ import annotations

import json
import os

from teul.runtime.host_trust import local_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from dataclasses import dataclass

    from teul.build.python.command import Install
    from teul.build.python.requirements import Requirements
else:
    from teul.values import dataclass

PYPI = "https://pypi.org/simple"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """Addresses may hold passwords; `shown` does not."""

    default: str = PYPI
    """"" for none (`--no-index`)."""
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    """Addresses, or absolute paths on this host."""
    trusted_hosts: tuple[str, ...] = ()
    strategy: str = "unsafe-best-match"

    @property
    def all(self) -> tuple[str, ...]:
        return (*((self.default,) if self.default else ()), *self.extra)

    def shown(self) -> list[str]:
        """The addresses without passwords, for locks and messages."""
        return [without_password(place) for place in (*self.all, *self.find_links)]


def indexes_of(install: Install, wanted: Requirements) -> Indexes:
    """What *install* and its files say, with the tools' own defaults."""
    no_index = install.no_index or wanted.no_index
    return Indexes(
        default="" if no_index else (wanted.index_url or install.index_url or PYPI),
        extra=() if no_index else _once((*install.extra_index_urls, *wanted.extra_index_urls)),
        find_links=_once((*install.find_links, *wanted.find_links)),
        trusted_hosts=_once((*install.trusted_hosts, *wanted.trusted_hosts)),
        strategy=install.index_strategy or ("first-index" if install.tool == "uv" else "unsafe-best-match"),
    )


def configuration(indexes: Indexes, *, reverse: bool = False, only_remote: bool = False) -> str:
    """`uv.toml`. The pages of an index are asked for anew each time, as pip does.

    Args:
        reverse: the indexes in the other order; a tool that takes the best of all finds the same in them.
        only_remote: without what lies on this host.
    """
    places = remote(indexes) if only_remote else list(indexes.all)
    if reverse:
        places.reverse()
    lines = [f"index-strategy = {json.dumps(indexes.strategy)}"]
    if not places:
        lines.append("no-index = true")
    if indexes.find_links and not only_remote:
        lines.append(f"find-links = {json.dumps(list(indexes.find_links), ensure_ascii=False)}")
    if indexes.trusted_hosts:
        lines.append(f"allow-insecure-host = {json.dumps(list(indexes.trusted_hosts))}")
    # uv asks its default index last.
    for number, place in enumerate([*places[1:], *places[:1]]):
        lines += ["[[index]]", f"url = {json.dumps(_address(place), ensure_ascii=False)}"]
        if not local_path(place):
            lines.append('cache-control = { api = "max-age=0" }')
        if number == len(places) - 1:
            lines.append("default = true")
    return "\n".join(lines) + "\n"


def other_files(indexes: Indexes, name: str, version: str, sha256: str, filename: str) -> str:
    """A place on this host that has *filename* with another content than *sha256*, "" where there is none."""
    for index in indexes.all:
        folder = local_path(index)
        page = f"{folder}/{name}/index.html"
        if folder and os.path.isfile(page):
            with open(page, encoding="utf-8", errors="replace") as file:
                listed = file.read()
            found = listed.find(f"{filename}#sha256=")
            if found >= 0 and listed[found + len(filename) + 8 :][:64].lower() != sha256:
                return without_password(index)
    for place in indexes.find_links:
        path = f"{local_path(place) or place}/{filename}"
        if os.path.isfile(path) and sha256_of(path) != sha256:
            return without_password(place)
    return ""


def sha256_of(path: str) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remote(indexes: Indexes) -> list[str]:
    return [place for place in indexes.all if not local_path(place)]


def without_password(address: str) -> str:
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def in_tree(indexes: Indexes, is_lent: Callable[[str], bool]) -> list[str]:
    """The places that are paths of the stage's tree, not of this host."""
    paths = [local_path(place) for place in (*indexes.all, *indexes.find_links)]
    return [path for path in paths if path and not is_lent(path)]


def _address(place: str) -> str:
    return f"file://{place}" if place.startswith("/") else place


def _once(places: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(places))
