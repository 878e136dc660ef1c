"""`teul.toml` → `ModelProject`. Pure: no file is opened, no clock, no environment.

Strict: an unknown key, a wrong type, a path that leaves the folder is refused with its line; all problems of a
document are found at once and raised together as an `ExceptionGroup` of `ProjectError`.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from teul.errors import InvalidInput, text
from teul.ml.gate import Gate

FILE = "teul.toml"
Param = str | int | float | bool
NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
PARAM_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """How the project's image is made: a Dockerfile, or a Python version and what is to be installed."""

    dockerfile: str = "Dockerfile"
    context: str = "."
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    as_of: str = ""
    """The day whose Python packages are meant: `2024-05-15`."""
    python: str = ""
    base: str = ""
    """Instead of `python:VERSION-slim`."""
    requirements: str = ""
    """A file: `requirements.txt` or another name, `pyproject.toml`, `uv.lock`, `poetry.lock`, `environment.yml`."""
    requirement_lines: tuple[str, ...] = ()
    """Requirements that stand in the project file itself."""
    packages: tuple[str, ...] = ()
    """Debian packages."""
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = "app"
    gpu: bool = False

    @property
    def is_generated(self) -> bool:
        """Whether the Dockerfile is teul's own (`generated_dockerfile`)."""
        return bool(self.python or self.base)

    def generated_dockerfile(self, lines: Sequence[str] | None = None, files: Sequence[str] = ()) -> str:
        """The Dockerfile that the table stands for.

        Args:
            lines: the requirements, where they do not come from a requirements file as it stands.
            files: requirements files that `requirements` includes.
        """
        made = [f"FROM {self.base or f'python:{self.python}-slim'}"]
        env = {"PYTHONUNBUFFERED": "1"}
        if self.gpu:
            env |= {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
        made += [f"ENV {name}={_quoted(value)}" for name, value in (env | dict(self.env)).items()]
        if self.packages:
            made += [
                "RUN apt-get update \\",
                f" && apt-get install -y --no-install-recommends {' '.join(sorted(self.packages))} \\",
                " && rm -rf /var/lib/apt/lists/*",
            ]
        made.append("WORKDIR /app")
        if self.user != "root":
            made.append(f"RUN useradd --create-home --uid 1000 {self.user} && chown {self.user}:{self.user} /app")
        given = self.requirement_lines if lines is None else tuple(lines)
        if given:
            made += ["COPY <<'REQUIREMENTS' ./requirements.txt", *given, "REQUIREMENTS"]
            made.append("RUN pip install --no-cache-dir -r requirements.txt")
        elif self.requirements:
            made += [
                f"COPY {json.dumps([file, './' + file], ensure_ascii=False)}" for file in (*files, self.requirements)
            ]
            made.append(f"RUN pip install --no-cache-dir -r {shlex.quote(self.requirements)}")
        if self.user != "root":
            made.append(f"USER {self.user}")
        return "\n".join(made) + "\n"


def _quoted(value: str) -> str:
    """A value of ENV that nothing expands."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStep:
    """One step: a command with its declared inputs and outputs (paths relative to the project's folder)."""

    name: str
    words: tuple[str, ...]
    """The command's words, parameters not yet filled in."""
    deps: tuple[str, ...] = ()
    outs: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def params(self) -> tuple[str, ...]:
        """Names of the parameters that the command uses, sorted."""
        found: set[str] = set()
        for word in self.words:
            found.update(name for _, name in _pieces(word) if name)
        return tuple(sorted(found))

    def argv(self, params: Mapping[str, Param]) -> tuple[str, ...]:
        """The words with the parameters filled in."""
        return tuple(
            "".join(shown_param(params[name]) if name else literal for literal, name in _pieces(word))
            for word in self.words
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """What becomes a version of the registered model, and what it must reach first."""

    name: str
    path: str
    predict: str = ""
    code: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    needs_approval: bool = False
    """Whether somebody has to approve a version before it is in production."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    port: int = 8000
    host: str = "127.0.0.1"
    workers: int = 1
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProject:
    """A whole project; steps stand in an order in which they can run."""

    name: str
    image: ImageSource = ImageSource()
    params: Mapping[str, Param] = field(default_factory=dict)
    steps: tuple[ProjectStep, ...] = ()
    model: ModelSource | None = None
    serve: ServeOptions | None = None

    @property
    def model_step(self) -> ProjectStep | None:
        """The step whose output the model is."""
        if self.model is None:
            return None
        return next((step for step in self.steps if any(covers(out, self.model.path) for out in step.outs)), None)

    def with_params(self, given: Mapping[str, str]) -> ModelProject:
        """Override parameters (`-P name=value`); a value is read as the type that the project gave the parameter.

        Raises:
            InvalidInput: an unknown parameter, or a value of another type.
        """
        made = dict(self.params)
        for name, value in given.items():
            if name not in made:
                raise InvalidInput(
                    text("parameter `{name}` is not in `[params]`", name=name), hint=suggest(name, tuple(made))
                )
            made[name] = _read_param(name, value, made[name])
        return replace(self, params=made)


def parse(source: str, *, path: str = FILE) -> ModelProject:
    """Read the text of a project file; *path* is only for the messages.

    Raises:
        ExceptionGroup: of `ProjectError`, one for each problem.
    """
    from teul.ml.project_reader import read

    return read(source, path)


def covers(outer: str, inner: str) -> bool:
    """Whether the path *inner* is *outer* or lies in it."""
    outer, inner = posixpath.normpath(outer), posixpath.normpath(inner)
    return outer == "." or inner == outer or inner.startswith(outer + "/")


def overlap(one: str, other: str) -> bool:
    """Whether two paths share anything."""
    return covers(one, other) or covers(other, one)


def shown_param(value: Param) -> str:
    """A parameter as it stands on a command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def split_command(run: str) -> tuple[str, ...]:
    """Split as a shell would, with quotes and backslashes; nothing is expanded.

    Raises:
        ValueError: an open quote (shlex's words), or an operator that only a shell knows.
    """
    operator = _shell_operator(run)
    if operator:
        raise ValueError(operator)
    return tuple(shlex.split(run))


def check_template(word: str) -> None:
    """Raises: ValueError with the offset where `{` or `}` stands alone."""
    _pieces(word)


def _pieces(word: str) -> list[tuple[str, str]]:
    """Cut a word into (literal, "") and ("", parameter). template = { char | "{{" | "}}" | "{" name "}" }"""
    made: list[tuple[str, str]] = []
    at = 0
    while at < len(word):
        char = word[at]
        if char not in "{}":
            end = min((found for found in (word.find("{", at), word.find("}", at)) if found >= 0), default=len(word))
            made.append((word[at:end], ""))
            at = end
        elif word.startswith(char * 2, at):
            made.append((char, ""))
            at += 2
        else:
            found = PARAM_NAME.match(word, at + 1)
            if char == "}" or found is None or word[found.end() : found.end() + 1] != "}":
                raise ValueError(at)
            made.append(("", found.group()))
            at = found.end() + 1
    return made


def _shell_operator(run: str) -> str:
    """The first of `&& || | ; > < &` that stands outside of quotes, or ""."""
    quote = ""
    at = 0
    while at < len(run):
        char = run[at]
        if quote:
            if char == "\\" and quote == '"':
                at += 1
            elif char == quote:
                quote = ""
        elif char == "\\":
            at += 1
        elif char in "\"'":
            quote = char
        elif char in "|&;<>":
            return run[at : at + 2] if run[at : at + 2] in ("&&", "||", ">>", "<<") else char
        at += 1
    return ""


def _read_param(name: str, value: str, like: Param) -> Param:
    try:
        if isinstance(like, bool):
            return {"true": True, "false": False}[value.lower()]
        if isinstance(like, int):
            return int(value)
        return float(value) if isinstance(like, float) else value
    except (ValueError, KeyError):
        kind = type(like).__name__
        raise InvalidInput(
            text("parameter `{name}`: expected {kind}, got `{value}`", name=name, kind=kind, value=value)
        ) from None


def suggest(name: str, known: tuple[str, ...]) -> str | None:
    """A hint with the nearest known name, or all of them."""
    import difflib

    close = difflib.get_close_matches(name, known, 1)
    if close:
        return text("did you mean `{name}`?", name=close[0])
    return text("there are {names}", names=", ".join(f"`{item}`" for item in known)) if known else None


def order(steps: tuple[ProjectStep, ...]) -> tuple[ProjectStep, ...]:
    """Steps in an order in which each comes after those whose outputs it reads; otherwise as written.

    Raises:
        ValueError: with the names of a circle, joined by ` → `.
    """
    made: list[ProjectStep] = []
    state: dict[str, int] = {}

    def visit(step: ProjectStep, trail: tuple[str, ...]) -> None:
        if state.get(step.name) == 2:
            return
        if state.get(step.name) == 1:
            raise ValueError(" → ".join((*trail[trail.index(step.name) :], step.name)))
        state[step.name] = 1
        for other in parents(step, steps):
            visit(other, (*trail, step.name))
        state[step.name] = 2
        made.append(step)

    for step in steps:
        visit(step, ())
    return tuple(made)


def parents(step: ProjectStep, steps: tuple[ProjectStep, ...]) -> tuple[ProjectStep, ...]:
    """The steps that make what *step* reads."""
    return tuple(
        other
        for other in steps
        if other is not step and any(overlap(dep, made) for dep in step.deps for made in (*other.outs, *other.metrics))
    )
