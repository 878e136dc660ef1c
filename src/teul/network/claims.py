"""Which subnets the state folders of this host have taken, whether or not their bridges are up.

One file for each below the run folder that all state folders share; a reboot forgets them together with the bridges.
"""

from __future__ import annotations

import os

from teul.host.fs import FolderLock, remove_file, write_atomic
from teul.plain_json import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
    from typing import Any
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """A subnet, whose state folder it is, and the network as its owner wrote it down."""

    subnet: str
    root: str
    network: Mapping[str, Any]

    @property
    def is_stale(self) -> bool:
        """Whether the state folder is gone, and with it everybody who could take the bridge down."""
        return not os.path.isdir(self.root)


def lock(folder: str) -> FolderLock:
    """Held while a subnet is chosen and claimed."""
    os.makedirs(folder, mode=0o711, exist_ok=True)
    made = FolderLock.take(folder)
    assert made is not None
    return made


def read(folder: str) -> list[Claim]:
    """All claims; a damaged file is none."""
    made = []
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    for name in names:
        try:
            with open(f"{folder}/{name}", "rb") as file:
                value = loads(file.read())
            made.append(Claim(value["subnet"], value["root"], value["network"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return made


def write(folder: str, claim: Claim) -> None:
    os.makedirs(folder, mode=0o711, exist_ok=True)
    value = {"subnet": claim.subnet, "root": claim.root, "network": dict(claim.network)}
    write_atomic(_path(folder, claim.subnet), dumps(value).encode(), 0o644)


def release(folder: str, subnet: str) -> None:
    """Idempotent."""
    remove_file(_path(folder, subnet))


def _path(folder: str, subnet: str) -> str:
    return f"{folder}/{subnet.replace('/', '_')}"
