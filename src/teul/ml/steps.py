"""The worker behind a pipeline: what its vertices read, whether what they gave is still there, how they come about.

What a step made is stored by content among its run's artifacts (`outs/<path>`), and put back into the project's folder,
as the folder's owner's files, where it is missing or different there.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence

from teul.errors import Conflict, Denied, InvalidInput, text
from teul.ml import environment, record, trees
from teul.ml.pipeline import ServeOp, StepOp
from teul.ml.project import ModelProject, overlap
from teul.ml.trees import FileDigests, Tree
from teul.oci.digest import Digest
from teul.solver import Result, Task, Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from teul.engine import Engine
    from teul.images import Image
    from teul.ml.tracking import TrackingStore

TAIL_LINES = 20
LOG_LIMIT_BYTES = 64 << 20
METRICS_LIMIT_BYTES = 4 << 20


class PipelineWorker:
    """Knows `StepOp` and `ServeOp`. Holds what all vertices of one `up` share; *tracking_uri* says how a container
    that reaches this machine at an address reaches the tracking server; it is asked when a step really runs.
    """

    def __init__(
        self,
        engine: Engine,
        tracking: TrackingStore,
        project: ModelProject,
        folder: str,
        image: Image,
        *,
        tracking_uri: Callable[[str], str] = lambda gateway: "",
    ) -> None:
        self.engine = engine
        self.tracking = tracking
        self.project = project
        self.folder = folder
        self.image = image
        self.tracking_uri = tracking_uri
        self._digests = FileDigests(engine.db, folder)
        self._git: record.GitState | None = None
        self.started: list[str] = []
        """Names of the steps whose container was started."""

    def inspect(self, vertex: Vertex, inputs: Sequence[Result], *, content: bool) -> Mapping[str, str]:
        """The digests of the files that the vertex reads, by `file <path>`; what a step above makes is its result's.

        Raises:
            InvalidInput: an input is missing, or is no file or folder.
        """
        op = vertex.op
        made = _outputs(inputs)
        if isinstance(op, StepOp):
            found = {f"file {path}": self.input(path, made, op.step.name).digest for path in op.step.deps}
        else:
            assert isinstance(op, ServeOp)
            found = {f"file {path}": tree.digest for path, tree in self._code(op).items()}
            found[f"file {op.model.path}"] = self.input(op.model.path, made, "").digest
        self._digests.save()
        return found

    def is_present(self, vertex: Vertex, result: Result) -> bool:
        """Whether every content of a step's outputs is still stored, or the served image still there."""
        if isinstance(vertex.op, ServeOp):
            return self.engine.images.find(result.data["image"]) is not None
        return all(
            self.tracking.content.has(Digest(entry.content))
            for tree in _outputs([result]).values()
            for entry in tree.files
        )

    def can_bring(self, vertex: Vertex, result: Result) -> bool:
        """Steps have no cache but this machine's."""
        return False

    def bring(self, vertex: Vertex, result: Result, task: Task) -> bool:
        return False

    def execute(self, vertex: Vertex, inputs: Sequence[Result], task: Task) -> Result:
        """Run the step, or make the served image.

        Raises:
            StepFailed: the command ended with another code than 0, or did not write what it declared.
            Cancelled: told to stop; the run is recorded as KILLED.
        """
        op = vertex.op
        made = _outputs(inputs)
        if isinstance(op, ServeOp):
            return self._make_served(op, self.input(op.model.path, made, ""), inputs)
        assert isinstance(op, StepOp)
        from teul.ml.step_run import StepRun

        return StepRun(self, op, made, task).run()

    def restore(self, result: Result) -> list[str]:
        """Put a step's outputs back where they are missing or different in the folder; returns their paths."""
        restored = []
        for path, tree in _outputs([result]).items():
            target = f"{self.folder}/{path}"
            try:
                present = trees.scan(target, self._digests, shown=path)
            except (FileNotFoundError, InvalidInput):
                present = None
            if present is None or present.digest != tree.digest:
                self._put_back(path, tree, target)
                restored.append(path)
        self._digests.save()
        return restored

    def _put_back(self, path: str, tree: Tree, target: str) -> None:
        try:
            trees.place(tree, target, self.read, owner=self._owner())
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR):
                raise
            raise Denied(text("`{path}` cannot be written: {problem}", path=path, problem=error.strerror)) from error

    def _make_served(self, op: ServeOp, tree: Tree, inputs: Sequence[Result]) -> Result:
        """The served image; its result says which run the model is from, and that run's metrics."""
        from teul.ml import served_image

        code = self._code(op)
        maker = inputs[0] if inputs else self._import_model(op, tree)
        files: dict[str, bytes] = {}
        for path, part in code.items():
            for entry in part.files:
                with open(f"{self.folder}/{path}/{entry.path}".rstrip("/"), "rb") as file:
                    files[entry.content] = file.read()
        for digest, data in files.items():
            if Digest.of(data) != digest:
                raise Conflict(text("a file of `{names}` changed while it was read", names=", ".join(code)))

        def read(digest: str) -> Iterator[bytes]:
            return iter([files[digest]]) if digest in files else self.read(digest)

        config = served_image.build(
            self.engine.snapshots,
            self.image,
            model=op.model.name,
            predict=op.model.predict,
            name=posixpath.basename(op.model.path),
            tree=tree,
            code=code,
            read=read,
        )
        image = self.engine.images.add(config.to_bytes())
        made = {
            "image": str(image.id),
            "model": config.config.labels[served_image.DIGEST_LABEL],
            "run": maker.data["run"],
            "values": dict(maker.data["values"]),
        }
        return Result(str(image.id), made)

    def _import_model(self, op: ServeOp, tree: Tree) -> Result:
        """A model that no step makes gets a run of its own, which holds its files."""
        run_id = record.begin(
            self.tracking,
            project=self.project.name,
            step="import",
            image=op.image,
            folder=self.folder,
            inputs={op.model.path: tree},
            git=self.git(),
        )
        environment.remember(self.engine, self.tracking, op.image)
        source = os.path.realpath(f"{self.folder}/{op.model.path}")
        for entry in tree.files:
            path = f"{op.model.path}/{entry.path}".rstrip("/")
            self.tracking.log_file(run_id, f"{record.OUTS}/{path}", f"{source}/{entry.path}".rstrip("/"))
        self.tracking.end_run(run_id, "FINISHED")
        return Result(tree.digest, {"run": run_id, "values": {}})

    def input(self, path: str, made: Mapping[str, Tree], step: str) -> Tree:
        """The tree at *path*: from the steps above where they make it, from the folder otherwise."""
        for out, tree in made.items():
            if overlap(out, path):
                part = tree.below(posixpath.relpath(path, out)) if path.startswith(out) else None
                if part is None:
                    raise InvalidInput(
                        text("`{path}`: no step makes it; there is `{out}`", path=path, out=out),
                        hint=text("name what is read one by one: what steps make, and what lies in the folder"),
                    )
                return part
        full = os.path.realpath(f"{self.folder}/{path}")
        try:
            return trees.scan(full, self._digests, shown=path, skip=trees.LEFT_OUT)
        except FileNotFoundError:
            message = (
                text("step `{step}`: input `{path}` not found in {folder}", step=step, path=path, folder=self.folder)
                if step
                else text("`{path}` not found in {folder}", path=path, folder=self.folder)
            )
            raise InvalidInput(message, hint=text("create it, or correct the path in teul.toml")) from None
        except PermissionError as error:
            raise Denied(text("`{path}` cannot be read: {problem}", path=path, problem=error.strerror)) from error

    def _code(self, op: ServeOp) -> dict[str, Tree]:
        """What predicts: the files that `code` names, else the module of `predict` where the folder has it."""
        names = op.model.code
        if not names and op.model.predict:
            module = op.model.predict.partition(":")[0].partition(".")[0]
            names = tuple(name for name in (f"{module}.py", module) if os.path.exists(f"{self.folder}/{name}"))[:1]
        return {name: self.input(name, {}, "") for name in names}

    def git(self) -> record.GitState:
        """The state of the folder's repository, asked once."""
        if self._git is None:
            self._git = record.read_git(self.folder)
        return self._git

    def read(self, digest: str) -> Iterator[bytes]:
        with self.tracking.content.open(Digest(digest)) as reader:
            while data := reader.read(1 << 20):
                yield data

    def _owner(self) -> tuple[int, int]:
        status = os.stat(self.folder)
        return status.st_uid, status.st_gid


def _outputs(results: Sequence[Result]) -> dict[str, Tree]:
    """All outputs of *results* by path."""
    return {
        path: Tree.from_json(entries) for result in results for path, entries in result.data.get("outs", {}).items()
    }
