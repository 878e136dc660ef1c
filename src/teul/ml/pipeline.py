"""Frontend 3: the steps of a project → vertices of the generic solver. Pure: reads no file, starts nothing.

A step's vertex is its command (with the parameters it uses), its environment, the digest of the image it runs in and
the names of its outputs; the digests of the files it reads are found by the worker (`teul.ml.steps`). The served image
is one more vertex, on top of the step that makes the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from teul.ml.project import ModelProject, ModelSource, ProjectStep, parents, shown_param
from teul.solver import Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True, slots=True)
class StepOp:
    """One step in one image, with the parameters filled in."""

    step: ProjectStep
    image: str
    params: Mapping[str, str]

    @property
    def definition(self) -> Mapping[str, Any]:
        return {
            "image": self.image,
            "command": list(self.step.words),
            "param": dict(self.params),
            "env": dict(self.step.env),
            "outs": list(self.step.outs),
            "metrics": list(self.step.metrics),
        }


@dataclass(frozen=True, slots=True)
class ServeOp:
    """The served image: the image of the steps, the model server, the model and the code that predicts with it."""

    model: ModelSource
    image: str
    server: str

    @property
    def definition(self) -> Mapping[str, Any]:
        return {
            "image": self.image,
            "server": self.server,
            "model": self.model.name,
            "path": self.model.path,
            "predict": self.model.predict,
            "code": list(self.model.code),
        }


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The graph of a project: a vertex for each step, in an order in which they can run, and the served image's."""

    steps: Mapping[str, Vertex]
    serve: Vertex | None

    @property
    def targets(self) -> tuple[Vertex, ...]:
        return (*self.steps.values(), *((self.serve,) if self.serve else ()))

    def __str__(self) -> str:
        """`[parents] -> name: command`, one line for each vertex."""
        names = {vertex: name for name, vertex in self.steps.items()}
        lines = []
        for vertex in self.targets:
            above = ", ".join(names[source] for source in vertex.inputs)
            lines.append(f"[{above}] -> {vertex.name}")
        return "\n".join(lines)


def lower(project: ModelProject, *, image: str, server: str) -> Pipeline:
    """Make the graph.

    Args:
        image: the digest of the project's image (Docker's image id).
        server: the digest of the model server that goes into the served image.
    """
    made: dict[str, Vertex] = {}
    for step in project.steps:
        above = parents(step, project.steps)
        params = {name: shown_param(project.params[name]) for name in step.params}
        made[step.name] = Vertex(
            StepOp(step, image, params),
            [made[other.name] for other in above],
            name=f"[{step.name}] {command_line(step.argv(project.params))}",
            place=step.name,
            roles=[f"step {other.name}" for other in above],
        )
    serve = None
    if project.model is not None:
        maker = project.model_step
        serve = Vertex(
            ServeOp(project.model, image, server),
            [made[maker.name]] if maker else [],
            name=f"[serve] {project.model.name}: the model on top of the image",
            place="serve",
            roles=[f"step {maker.name}"] if maker else [],
        )
    return Pipeline(made, serve)


def command_line(argv: tuple[str, ...]) -> str:
    """The words as one would type them."""
    import shlex

    return shlex.join(argv)
