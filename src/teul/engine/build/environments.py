"""After a build: whether the Python packages that it installed can be imported (see `teul.build.python.imports`).

What is looked at is the tree after the last install that the image is made of, so that a later RUN that puts an
earlier one right is taken into account, and so that an edit of the code, copied later, looks at nothing again. A
problem is looked for once more in the finished tree (a library may have come with a later RUN). What was found is
remembered by the packages' versions, the Python and the system's libraries.
"""

from __future__ import annotations

import threading

from teul.build import ops
from teul.errors import BrokenEnvironment, LockError, NoInterpreter, NoUploadTimes, TeulError, text
from teul.events import Step, Warn
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from teul.build.execute import BuildWorker
    from teul.build.python.imports import Environment
    from teul.build.tree import Tree
    from teul.errors import Text
    from teul.events import Event, Sink
    from teul.solver.graph import Result, Vertex
    from teul.solver.solve import Solution

STEP = "imports"


def check_imports(
    worker: BuildWorker,
    target: Vertex,
    solution: Solution,
    events: Sink,
    *,
    env: Sequence[str],
    is_project: bool = False,
) -> None:
    """Warn of packages that cannot be imported.

    Args:
        env: the finished image's.
        is_project: its steps run in this image, so what certainly does not work is an error, and a date that helps is
            written into `teul.toml`.

    Raises:
        BrokenEnvironment: two packages do not fit together.
    """
    found = _find(target)
    if found is None:
        return
    vertex, run = found
    check = _Check(worker, run.op, events, dict(entry.partition("=")[::2] for entry in env), is_project=is_project)
    problems = check.look(solution.result(vertex))
    if problems and vertex != target:
        problems = check.look(solution.result(target))
    for problem in problems:
        message = check.message(problem)
        if is_project and problem["kind"] == "binary" and problem["other"]:
            raise BrokenEnvironment(message, hint=check.hint(problem))
        hint = check.hint(problem)
        if hint is not None:
            message = text("{problem} (hint: {hint})", problem=message, hint=hint)
        events(Warn("", "import-fails", message))


def _find(target: Vertex) -> tuple[Vertex, Vertex] | None:
    """The vertex after which the last environment is there, and the RUN that installed it."""
    from teul.build.python.attempt import looks_like_install

    vertex = target
    while True:
        op = vertex.op
        if isinstance(op, ops.Run) and looks_like_install(op):
            return vertex, vertex
        if isinstance(op, ops.Copy) and not op.context and len(vertex.inputs) > 1:
            inner = _find(vertex.inputs[1])
            if inner is not None:
                return vertex, inner[1]
        if not vertex.inputs:
            return None
        vertex = vertex.inputs[0]


class _Check:
    def __init__(self, worker: BuildWorker, op: Any, events: Sink, env: Mapping[str, str], *, is_project: bool) -> None:
        self.worker = worker
        self.op: ops.Run = op
        self.events = events
        self.env = env
        self.is_project = is_project
        self.stop = threading.Event()

    def look(self, result: Result) -> list[dict[str, str]]:
        """The problems of a tree; none where it cannot be told."""
        from teul.build.python.imports import FORM

        key = digest_of(["imports", FORM, result.digest, self.env.get("PATH", "")])
        row = self.worker.cache.find(key)
        if row is not None:
            return [dict(item) for item in row["data"]["problems"]]
        made: list[list[dict[str, str]]] = []

        def work() -> None:
            try:
                made.append(self._look(result))
            except (TeulError, OSError):
                pass  # this is a service; the image is as good as without it

        # A thread of its own, since it mounts in a namespace of its own.
        thread = threading.Thread(target=work, name="teul-imports", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(0.2)
        except BaseException:
            self.stop.set()
            thread.join()
            raise
        if not made:
            return []
        self.worker.cache.put(key, "", STEP, {"digest": key, "data": {"problems": made[0]}})
        return made[0]

    def _look(self, result: Result) -> list[dict[str, str]]:
        from teul.build.python.imports import FORM, Environment
        from teul.build.python.interpreter import find_python
        from teul.build.tree import Tree

        with self.worker.viewed(result) as root:
            tree = Tree(root)
            try:
                python = find_python(tree, "python", self.env)
            except NoInterpreter:
                python = find_python(tree, "python3", self.env)
            environment = Environment(tree, python)
            candidates = environment.candidates()
            system = digest_of([environment.libraries(), tree.resolve(python), environment.sites])
            keys = {item.name: digest_of(["import", FORM, system, item.modules, item.key]) for item in candidates}
            known = {name: self.worker.cache.find(key) for name, key in keys.items()}
            new = [item for item in candidates if known[item.name] is None]
            problems = [dict(item) for row in known.values() if row is not None for item in row["data"]["problems"]]
            if new:
                found = self._import(environment, python, result, tree, new)
                for item in new:
                    mine = [found[item.name]] if item.name in found else []
                    key = keys[item.name]
                    self.worker.cache.put(key, "", f"import {item.name}", {"digest": key, "data": {"problems": mine}})
                    problems += mine
        unique = {(item["package"], item["kind"], item["other"], item["detail"]): item for item in problems}
        return list(unique.values())

    def _import(
        self, environment: Environment, python: str, result: Result, tree: Tree, new: Sequence[Any]
    ) -> dict[str, dict[str, str]]:
        """Import what is new; candidate → what its failure means."""
        from teul.build.python.attempt import Stage
        from teul.build.python.imports import arguments, failures
        from teul.solver import Task

        message = text("checking that {names} can be imported", names=", ".join(item.name for item in new))
        self._say(Step(STEP, message, "started"))
        stage = Stage(self.worker, self.op, result, Task(STEP, self.events, self.stop.is_set))
        said: list[bytes] = []
        try:
            stage.run((python, *arguments(new)), on_output=said.append)
            made: dict[str, dict[str, str]] = {}
            for name, chain in failures(b"".join(said)).items():
                problem = environment.problem(name, chain) if name in environment.distributions else None
                if problem is not None:
                    made[name] = problem.to_json() | {"date": ""}
            for item in made.values():
                if item["other"] and not self.worker.as_of:
                    item["date"] = self._date(stage, environment, item, python, tree)
        finally:
            stage.close()
        self._say(Step(STEP, message, "done"))
        return made

    def _say(self, event: Event) -> None:
        self.events(event)

    def _date(self, stage: Any, environment: Environment, item: dict[str, str], python: str, tree: Tree) -> str:
        """The day on which what fits the older package was the newest there was; "" where the index does not say.

        It is the day of the package's own file, or of the newest that is pinned, as long as the other one is newer.
        """
        from teul.build.python.uploads import upload_days

        names = {item["package"]: item["version"], item["other"]: item["other_version"]}
        try:
            days, pinned = upload_days(stage, names, environment, tree)
        except (TeulError, OSError, LockError, NoUploadTimes):
            return ""
        own, other = days.get(item["package"], ""), days.get(item["other"], "")
        if not own or (other and other <= own):
            return ""
        return max(day for day in (own, *(days.get(name, "") for name in pinned)) if not other or day < other)

    def message(self, problem: Mapping[str, str]) -> Text:
        package = f"{problem['package']} {problem['version']}"
        other = f"{problem['other']} {problem['other_version']}".strip()
        if problem["kind"] == "library":
            return text(
                "`{package}` needs `{library}`, which is not in the image", package=package, library=problem["detail"]
            )
        if problem["kind"] == "libc":
            return text(
                "`{package}` needs {version}: the base image is older", package=package, version=problem["detail"]
            )
        if other:
            return text(
                "`{package}` cannot be imported with `{other}`: {problem}",
                package=package,
                other=other,
                problem=problem["detail"],
            )
        return text("`{package}` cannot be imported: {problem}", package=package, problem=problem["detail"])

    def hint(self, problem: Mapping[str, str]) -> Text | None:
        """The next command to type."""
        from teul.build.python.imports import DEBIAN

        if problem["kind"] == "library":
            package = DEBIAN.get(problem["detail"], "")
            if not package:
                return text("`apt-file search {library}` says which Debian package has it", library=problem["detail"])
            if self.is_project:
                return text('`packages = ["{package}"]` in [image]', package=package)
            return text("RUN apt-get install {package}", package=package)
        if problem.get("date"):
            if self.is_project:
                return text(
                    '`as_of = "{date}"` in [image], or pin an older {other}',
                    date=problem["date"],
                    other=problem["other"],
                )
            return text(
                "teul build --as-of {date}, or pin an older {other}", date=problem["date"], other=problem["other"]
            )
        if problem["other"]:
            return text("pin an older {other}", other=problem["other"])
        return None
