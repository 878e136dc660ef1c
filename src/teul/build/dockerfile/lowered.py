"""What lowering takes and gives, as values, and where a stage stands while it is lowered. Pure."""

from __future__ import annotations

from teul.build.dockerfile import instructions as ins
from teul.oci.image import History, ImageConfig
from teul.solver.graph import Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass, field
    from dataclasses import replace as replaced

    from teul.build.dockerfile.parser import Node
    from teul.build.dockerignore import IgnoreMatcher
    from teul.build.lint.rules import Finding
    from teul.oci.descriptor import Platform
else:
    from dataclasses import replace as replaced

    from teul.values import dataclass, field

SCRATCH = "scratch"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
HISTORY_COMMENT = "buildkit.dockerfile.v0"
MAIN_CONTEXT = "context"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """What lowering has to know of an image."""

    id: str
    config: ImageConfig
    reference: str = ""
    digest: str = ""
    """What a registry knows it by, if one does."""
    is_unknown: bool = False
    """Nothing could be found out about it, and for a check nothing has to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedContext:
    """What `--build-context` gives to a name: "image" (a reference), "layout" (an OCI layout) or "folder" (a path)."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerOptions:
    """What a build asks for. *created* is RFC 3339, "" leaves times to whoever assembles the image."""

    platform: Platform
    build_platform: Platform
    build_args: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, NamedContext] = field(default_factory=dict)
    target: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = "default"
    normalise: bool = True
    epoch: int = 0
    created: str = ""
    extra_hosts: tuple[str, ...] = ()
    shm_size_bytes: int = 0
    ulimits: tuple[str, ...] = ()
    cgroup_parent: str = ""
    allowed: frozenset[str] = frozenset()
    """What a RUN may ask for beyond a sandbox: `network.host`, `security.insecure`, `device`, `device=NAME`."""
    ignore: IgnoreMatcher | None = None
    """What the main context hides, for the check of COPY."""
    all_stages: bool = False
    """Look also at the stages that the target does not need (for checks)."""
    runnable: frozenset[str] = frozenset()
    """Architectures that this machine runs besides its own (binfmt_misc)."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of history, and the vertex whose layer it is (None: no layer)."""

    history: History
    vertex: Vertex | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """A graph whose last vertex gives the target's tree, and the config that goes around it."""

    vertex: Vertex
    config: ImageConfig
    """With the diff ids and the history of the base image; `lines` come on top."""
    lines: tuple[Line, ...]
    bases: tuple[tuple[BaseImage, Node], ...]
    nodes: Mapping[str, Node]
    """Vertex digest → the instruction that it came from."""
    findings: tuple[Finding, ...] = ()
    """What the build checks have to say, from the top of the file to its end."""
    findings_are_errors: bool = False

    def __str__(self) -> str:
        """The graph as text, for people and for tests."""
        from teul.solver.graph import walk

        order = {vertex: number for number, vertex in enumerate(walk([self.vertex]), start=1)}
        made = [
            f"#{number} {vertex.op}" + "".join(f" <#{order[source]}" for source in vertex.inputs)
            for vertex, number in order.items()
        ]
        made += [
            f"history {'#' + str(order[line.vertex]) if line.vertex else '-'} {line.history.created_by}"
            for line in self.lines
        ]
        made += [f"config {name} {value}" for name, value in self.config.config.to_json().items()]
        made += [f"warning {item.rule.name} line {item.span.line}: {item.message}" for item in self.findings]
        return "\n".join(made) + "\n"


class OpenStage:
    """A stage while it is lowered; `state` is set when it is done."""

    def __init__(self, index: int, stage: ins.Stage) -> None:
        self.index = index
        self.start = stage.start
        self.name = stage.start.name
        self.shown = stage.start.name or f"stage-{index}"
        self.body: tuple[ins.Instruction, ...] = stage.instructions
        self.image = ""
        self.platform: Platform | None = None
        self.parent: OpenStage | None = None
        self.context: NamedContext | None = None
        self.state: State | None = None
        self.is_open = False


def origins_of(stage: OpenStage) -> list[str]:
    """What COPY and RUN --mount of *stage* take files from, as it is written."""
    made: list[str] = []
    for instruction in stage.body:
        if isinstance(instruction, ins.Copy) and instruction.origin:
            made.append(instruction.origin)
        elif isinstance(instruction, ins.Run):
            for mount in instruction.mounts:
                made += [part[5:] for part in mount.split(",") if part.lower().startswith("from=")]
    return made


class State:
    """Where a stage stands: its tree, its config, and what variables hold."""

    def __init__(self, vertex: Vertex, config: ImageConfig, platform: Platform) -> None:
        self.vertex = vertex
        self.base = config
        self.platform = platform
        self.settings = config.config
        self.author = config.author
        self.env: dict[str, str] = {}
        self.lines: list[Line] = []
        self.arguments: dict[str, str] = {}
        self.declared: list[str] = []
        """The names of ARG, as often as they were declared."""
        self.on_build: tuple[str, ...] = ()
        """What the stages below want to be done when they are built upon."""
        self.command_set = False
        self.workdir_set = False
        """Whether a WORKDIR above made relative ones safe."""
        self.is_unknown = False
        """Whether the base image is one of which nothing is known."""

    def child(self) -> State:
        made = State(self.vertex, self.base, self.platform)
        made.settings = replaced(self.settings, on_build=())
        made.author = self.author
        made.env = dict(self.env)
        made.lines = list(self.lines)
        made.workdir_set = self.workdir_set
        made.is_unknown = self.is_unknown
        # The values go on in `env`; Docker 26 names in a history only what the stage itself declared.
        made.on_build = self.settings.on_build
        return made
