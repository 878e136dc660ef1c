"""Whom an install runs as: whose its files become, and whether the kernel would let it write and read. Pure of writing."""

from __future__ import annotations

import os
import re
import stat

from teul.build.python.values import Doubt
from teul.errors import UnusualWheel, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass

    from teul.layers.lower import Lookup
else:
    from teul.values import dataclass

_USUAL_HOME = re.compile(r"/root|/home/[^/]+")
"""Where the caches of pip and uv are known, and left out of layers."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A user in numbers."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/root"
    name: str = "root"

    @property
    def is_root(self) -> bool:
        return (self.uid, self.gid) == (0, 0)

    def may(self, status: os.stat_result, access: int) -> bool:
        """Whether the mode of a file lets this user have *access* (`os.R_OK | …`)."""
        if self.uid == 0:
            return True
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid in (self.gid, *self.groups) else 0
        return status.st_mode >> shift & access == access

    def may_reach(self, lower: Lookup, path: str, access: int) -> bool:
        """As `may`, of *path* in a tree, through the folders above it."""
        found = b""
        parts = os.fsencode(path.strip("/")).split(b"/")
        for number, part in enumerate(parts, start=1):
            found = found + b"/" + part if found else part
            entry = lower.find(found)
            if entry is None or not self.may(entry[1], access if number == len(parts) else os.X_OK):
                return False
        return True


def doubt_of_home(owner: Owner, env: Mapping[str, str], *, keeps_cache: bool) -> Doubt | None:
    """Why a tool may look for settings, or leave its cache, somewhere else than is known here."""
    home = env.get("HOME") or owner.home
    if home != owner.home or (keeps_cache and not _USUAL_HOME.fullmatch(home)):
        return Doubt(text("its home is `{path}`", path=home))
    return None


def check_access(owner: Owner, folders: Mapping[str, bool], lower: Lookup) -> None:
    """Files can be put into these folders (each with whether something is put directly into it), and become *owner*'s.

    Raises:
        UnusualWheel: they cannot, or would become another group's.
    """
    for folder, is_direct in folders.items():
        entry = lower.find(os.fsencode(folder)) if is_direct else None
        if entry is None:
            continue
        place, status = entry
        has_rules = any(name.startswith("system.posix_acl") for name in os.listxattr(place))
        if status.st_mode & stat.S_ISGID or has_rules:
            raise UnusualWheel(text("`{path}` has rules of its own for what is in it", path=f"/{folder}"))
        if not owner.may_reach(lower, folder, os.W_OK | os.X_OK):
            raise UnusualWheel(
                text("`{user}` may not write to `{path}`", user=owner.name or owner.uid, path=f"/{folder}")
            )


def give(owner: Owner, folder: str) -> None:
    """Make everything below *folder* the owner's.

    Raises:
        UnusualWheel: this process may not.
    """
    if owner.is_root:
        return
    try:
        for place, folders, files in os.walk(folder):
            for name in (*folders, *files):
                os.chown(f"{place}/{name}", owner.uid, owner.gid, follow_symlinks=False)
    except PermissionError as error:
        raise UnusualWheel(text("it runs as `{user}`", user=owner.name or owner.uid)) from error
