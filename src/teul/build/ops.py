"""The operations of a build, as data: what each depends on besides its inputs and the files it reads. No IO.

The first input of every op is the tree below it (`base`); `Base` has none. A `definition` holds all that a result may
depend on and nothing else: names of stages, places in the file and what is only shown stay out of it.
"""

from __future__ import annotations

from teul.build.dockerfile.mounts import RunMount
from teul.build.sources import GitSource, HttpSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
    from typing import Any
else:
    from teul.values import dataclass

RULES = 7
"""Raised whenever an op begins to give another result for the same inputs, so that no older result is taken for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The tree of an image that is here already, or of nothing (`scratch`)."""

    diff_ids: tuple[str, ...]
    image: str = ""
    """The image's id; not part of the definition: another config on the same layers is the same tree."""
    reference: str = ""

    @property
    def definition(self) -> Mapping[str, Any]:
        return {"op": "base", "layers": list(self.diff_ids)}

    def __str__(self) -> str:
        return f"base {self.reference or 'scratch'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A process in the tree. `env` and `proxy` are `NAME=value`; the values of `proxy` are not in the definition.

    Mounts with an origin take one more input each, in order (see `origins`).
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: str = ""
    network: str = "default"
    mounts: tuple[RunMount, ...] = ()
    script: str = ""
    """A heredoc that begins with `#!`: mounted at `script_path`."""
    script_path: str = ""
    hostname: str = ""
    proxy: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    shm_size_bytes: int = 0
    ulimits: tuple[str, ...] = ()
    insecure: bool = False
    """With all capabilities and devices, and without seccomp."""
    devices: tuple[tuple[str, bool], ...] = ()
    """CDI names, each with whether the step fails without it."""
    cgroup_parent: str = ""
    """Not in the definition: what a step gives does not depend on where it is counted."""
    normalise: bool = True
    epoch: int = 0

    @property
    def definition(self) -> Mapping[str, Any]:
        made: dict[str, Any] = {
            "op": "run",
            "command": list(self.args),
            "env": dict(entry.partition("=")[::2] for entry in self.env),
            "working directory": self.cwd,
            "user": self.user,
        }
        if self.network != "default":
            made["network"] = self.network
        if self.mounts:
            made["mounts"] = [mount_definition(mount) for mount in self.mounts]
        if self.script:
            made["script"] = self.script
            made["script path"] = self.script_path
        for name, value in (
            ("hostname", self.hostname),
            ("extra hosts", list(self.extra_hosts)),
            ("shm size", self.shm_size_bytes),
            ("ulimits", list(self.ulimits)),
            ("security", "insecure" if self.insecure else ""),
            ("devices", [name for name, _ in self.devices]),
        ):
            if value:
                made[name] = value
        return made | _written(self.normalise, self.epoch)

    def __str__(self) -> str:
        extra = "".join(f" --mount=type={mount.type},target={mount.target}" for mount in self.mounts)
        return f"run{extra} {' '.join(self.args)!r} in {self.cwd} as {self.user or 'root'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Files from a context or another tree.

    *context* is "" when the files come from the second input, else the name of a context ("context" is the main one).
    """

    sources: tuple[str, ...]
    destination: str
    context: str = ""
    inlines: tuple[tuple[str, str], ...] = ()
    """Names and contents that stand in the Dockerfile itself."""
    remotes: tuple[HttpSource | GitSource, ...] = ()
    """Files of a URL (mode 0600, root's) and trees of a repository; what they hold is part of the key, where they come
    from only tells two of them apart."""
    chown: str = ""
    chmod: str = ""
    parents: bool = False
    excludes: tuple[str, ...] = ()
    unpack: bool = False
    unpack_remotes: bool = False
    order: tuple[int, ...] = ()
    """Which of *sources* followed by *remotes* comes when, where that is another order than this one."""
    normalise: bool = True
    epoch: int = 0

    @property
    def definition(self) -> Mapping[str, Any]:
        made: dict[str, Any] = {
            "op": "copy",
            "sources": list(self.sources),
            "destination": self.destination,
            # Files of a context belong to root, those of a tree to whom they belong there.
            "from": "context" if self.context else "tree",
        }
        for name, value in (
            ("inline", dict(self.inlines)),
            ("remote", [dict(remote.definition) for remote in self.remotes]),
            ("owner", self.chown),
            ("mode", self.chmod),
            ("parents", self.parents),
            ("excludes", list(self.excludes)),
            ("unpack", self.unpack),
            ("unpack fetched", self.unpack_remotes),
            ("order", list(self.order)),
        ):
            if value:
                made[name] = value
        return made | _written(self.normalise, self.epoch)

    def __str__(self) -> str:
        flags = "".join(
            f" {name}={value}" for name, value in (("chown", self.chown), ("chmod", self.chmod)) if value
        ) + (" unpack" if self.unpack else "")
        what = [*self.sources, *(f"<<{name}" for name, _ in self.inlines), *(item.shown for item in self.remotes)]
        return f"copy{flags} {' '.join(what)} from {self.context or 'tree'} to {self.destination}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeFolder:
    """A folder and those above it, where they are missing."""

    path: str
    user: str = ""
    normalise: bool = True
    epoch: int = 0

    @property
    def definition(self) -> Mapping[str, Any]:
        return {"op": "folder", "path": self.path, "user": self.user} | _written(self.normalise, self.epoch)

    def __str__(self) -> str:
        return f"folder {self.path} as {self.user or 'root'}"


def origins(mounts: tuple[RunMount, ...]) -> tuple[int, ...]:
    """The numbers of the mounts that take an input of their own."""
    return tuple(number for number, mount in enumerate(mounts) if mount.origin)


def mount_definition(mount: RunMount) -> dict[str, Any]:
    """What a mount adds to a key: not the name it is taken from (that is an input), nor what a secret holds."""
    return {
        "type": mount.type,
        "source": mount.source if mount.type == "bind" else "",
        "target": mount.target,
        "readonly": mount.is_readonly,
        "id": mount.identity,
        "env": mount.env,
        "mode": mount.mode,
        "owner": f"{mount.uid}:{mount.gid}",
        "has input": bool(mount.origin),
    }


def _written(normalise: bool, epoch: int) -> dict[str, Any]:
    """How what is written is made reproducible; another rule is another result."""
    return {"normalised to": str(epoch) if normalise else "nothing", "rules": RULES}
