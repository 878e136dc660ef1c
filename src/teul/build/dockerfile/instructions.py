"""Instructions as values: what each says, as written, variables not yet expanded. `reader` makes them."""

from __future__ import annotations

from teul.build.dockerfile.parser import Node
from teul.oci.image import Healthcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from teul.values import dataclass

FORMS = {
    "ADD": "ADD [--chown=USER:GROUP] [--checksum=sha256:…] SOURCE… DESTINATION",
    "ARG": "ARG NAME[=DEFAULT]",
    "CMD": 'CMD ["program", "argument"]',
    "COPY": "COPY [--from=STAGE] [--chown=USER:GROUP] SOURCE… DESTINATION",
    "ENTRYPOINT": 'ENTRYPOINT ["program", "argument"]',
    "ENV": 'ENV NAME="value"',
    "EXPOSE": "EXPOSE 8080, EXPOSE 8000-8010/tcp",
    "FROM": "FROM [--platform=OS/ARCH] IMAGE[:TAG] [AS NAME]",
    "HEALTHCHECK": "HEALTHCHECK [--interval=30s] [--timeout=30s] CMD command, HEALTHCHECK NONE",
    "LABEL": 'LABEL name="value"',
    "MAINTAINER": 'LABEL org.opencontainers.image.authors="NAME"',
    "ONBUILD": "ONBUILD RUN command",
    "RUN": 'RUN command, RUN ["program", "argument"]',
    "SHELL": 'SHELL ["/bin/sh", "-c"]',
    "STOPSIGNAL": "STOPSIGNAL SIGTERM, STOPSIGNAL 15",
    "USER": "USER name[:group]",
    "VOLUME": 'VOLUME ["/data"]',
    "WORKDIR": "WORKDIR /path",
}
"""How each is written: the suggestion where an error has no better one."""
KEYWORDS = tuple(FORMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """*node* is where it stands."""

    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    image: str
    name: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    """Names and their defaults, None where there is none."""

    names: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False
    """Written as `ENV name value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Instruction):
    """The words of an exec form, or the one text of a shell form (`is_shell`)."""

    words: tuple[str, ...]
    is_shell: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Command):
    mounts: tuple[str, ...] = ()
    network: str = ""
    security: str = ""
    devices: tuple[str, ...] = ()


class Cmd(Command):
    __slots__ = ()


class Entrypoint(Command):
    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """A heredoc as a source of COPY or ADD."""

    name: str
    content: str
    expand: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Instruction):
    """COPY, and ADD (`is_add`)."""

    sources: tuple[str, ...]
    inlines: tuple[Inline, ...]
    destination: str
    is_add: bool = False
    origin: str = ""
    """`--from`."""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    excludes: tuple[str, ...] = ()
    unpack: bool | None = None
    checksum: str = ""
    keep_git_dir: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Instruction):
    check: Healthcheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Instruction):
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBuild(Instruction):
    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    name: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and what follows it."""

    start: From
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A whole file: the ARGs before the first FROM, and the stages."""

    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    escape: str = "\\"
