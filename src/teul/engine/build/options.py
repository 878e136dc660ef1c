"""What a build is asked for, and what comes of it. The rest of the package imports it."""

from __future__ import annotations

import time

from teul.build.dockerfile.lower import LowerOptions, NamedContext
from teul.errors import InvalidInput, text
from teul.host.platform import emulated_architectures, host_platform
from teul.oci.descriptor import Platform
from teul.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass, field
    from typing import Any

    from teul.build.dockerignore import IgnoreMatcher
    from teul.engine import Engine
    from teul.engine.build.attributes import CacheTarget, Output
    from teul.images import Image
else:
    from teul.values import dataclass, field

DEFAULT_EPOCH = 315532800
"""1980-01-01T00:00:00Z (see `teul.build.normalise`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a secret comes from: a file, or a variable of the environment."""

    path: str = ""
    env: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What `docker build` takes. A build argument whose value is None is taken from the environment, if it is there."""

    context: str
    context_name: str = ""
    """What the folder was made from (a URL, a repository, a tar), when it is gone after the build."""
    dockerfile: str = ""
    """Its path; "" is `Dockerfile` in the context."""
    dockerfile_text: str | None = None
    """The file itself, when it has no path (`-f -`); then *dockerfile* only names it."""
    tags: tuple[str, ...] = ()
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    build_contexts: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    no_cache: bool = False
    pull: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    normalise: bool = True
    network: str = "default"
    platform: str = ""
    source_date_epoch: int | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    """Patterns that go on where `.dockerignore` ends."""
    extra_hosts: tuple[str, ...] = ()
    shm_size_bytes: int = 0
    ulimits: tuple[str, ...] = ()
    cache_from: tuple[CacheTarget, ...] = ()
    cache_to: tuple[CacheTarget, ...] = ()
    cgroup_parent: str = ""
    allowed: tuple[str, ...] = ()
    """`--allow`: see `LowerOptions.allowed`."""
    ssh: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Id → the socket of an agent, or files of keys."""
    no_cache_filter: tuple[str, ...] = ()
    """Stages that must run again."""
    outputs: tuple[Output, ...] = ()
    """None: the image becomes one of this machine's."""
    write_output: Callable[[bytes], object] | None = None
    """Takes an output whose destination is `-`."""
    provenance: str = ""
    """One of "", "min", "max"."""
    sbom: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Of the manifest, wherever the image is sent."""
    wants_metadata: bool = False
    """Whether `BuildResult.metadata` is to be filled in."""
    as_of: str = ""
    """The day whose Python packages are meant; "" as the Dockerfile, the lock or the present say."""
    writes_lock: bool = False
    lock_path: str = ""
    """"" is `teul.lock` beside the Dockerfile."""
    is_project: bool = False
    """It is the image of a project, whose steps run in it: packages that do not fit together are an error."""
    is_offline: bool = False
    """Nothing is asked of a network: bases and wheels are those that are here, and RUNs have none."""


@dataclass(frozen=True, slots=True)
class BuiltStep:
    """One step of a build: what a person reads, whether the cache had it, how long it ran."""

    name: str
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """*cached*: nothing ran and nothing was written but, perhaps, a name."""

    image: Image
    cached: bool
    steps: tuple[BuiltStep, ...]
    scope: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What `--metadata-file` writes."""
    is_kept: bool = True
    """Whether the image is one of this machine's now; else it was only written elsewhere."""


def lower_options(
    engine: Engine, options: BuildOptions, contexts: Mapping[str, NamedContext], epoch: int, ignore: IgnoreMatcher
) -> LowerOptions:
    """What the frontend has to know of a build."""
    environ = engine.settings.environ or {}
    host = host_platform()
    platform = Platform.parse(options.platform) if options.platform else host
    given = {name: environ.get(name) if value is None else value for name, value in options.build_args.items()}
    return LowerOptions(
        platform=platform,
        build_platform=host,
        build_args={name: value for name, value in given.items() if value is not None},
        contexts=contexts,
        target=options.target,
        labels=options.labels,
        network=options.network,
        normalise=options.normalise,
        epoch=epoch,
        ignore=ignore,
        created=rfc3339(epoch) if options.normalise else "",
        extra_hosts=options.extra_hosts,
        shm_size_bytes=options.shm_size_bytes,
        ulimits=options.ulimits,
        cgroup_parent=options.cgroup_parent,
        allowed=frozenset(options.allowed),
        runnable=emulated_architectures(),
    )


def find_epoch(engine: Engine, options: BuildOptions) -> int:
    """Of the option, the build argument, the environment, in this order."""
    if options.source_date_epoch is not None:
        return options.source_date_epoch
    given = options.build_args.get("SOURCE_DATE_EPOCH")
    if given is not None:
        if not given.isascii() or not given.isdigit():
            raise InvalidInput(text("SOURCE_DATE_EPOCH: expected seconds since 1970, got `{value}`", value=given))
        return int(given)
    return engine.settings.source_date_epoch if engine.settings.source_date_epoch is not None else DEFAULT_EPOCH


def rfc3339(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def tags_of(options: BuildOptions) -> list[Reference]:
    """Raises: InvalidInput, InvalidReference."""
    return [parse_tag(name) for name in options.tags]


def parse_tag(name: str) -> Reference:
    reference = Reference.parse(name)
    if reference.digest:
        raise InvalidInput(text("invalid tag `{name}`: a name for an image has a tag and no digest", name=name))
    return reference
