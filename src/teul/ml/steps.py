"""The worker behind a pipeline: what a step reads, runs it in a container, records it, keeps what it made.

How a step runs. It gets the project's image as it is, with a writable layer of its own that goes away afterwards. Its
declared inputs are bound read-only at the same relative paths in the image's working directory, so it reads exactly
the bytes that are in its key; of the project's folder it sees nothing else. Whatever the image itself has at the place
of an output is taken away first, the working directory is given to the image's user if need be, and the declared
outputs and metrics are picked up from the writable layer: nothing else that a step writes is kept.

What a step made is stored by content among its run's artifacts (`outs/<path>`), and put back into the project's folder,
as the folder's owner's files, where it is missing or different there.
"""

from __future__ import annotations

import errno
import json
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence

from teul.errors import Cancelled, Conflict, Denied, InvalidInput, StepFailed, text
from teul.events import Line
from teul.ml import record, trees
from teul.ml.gate import flatten
from teul.ml.pipeline import ServeOp, StepOp, command_line
from teul.ml.project import ModelProject, overlap
from teul.ml.trees import FileDigests, Tree
from teul.oci.digest import Digest
from teul.solver import Result, Task, Vertex
from teul.solver.graph import digest_of

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
        self._engine = engine
        self._tracking = tracking
        self._project = project
        self._folder = folder
        self._image = image
        self._tracking_uri = tracking_uri
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
            found = {f"file {path}": self._input(path, made, op.step.name).digest for path in op.step.deps}
        else:
            assert isinstance(op, ServeOp)
            found = {f"file {path}": tree.digest for path, tree in self._code(op).items()}
            found[f"file {op.model.path}"] = self._input(op.model.path, made, "").digest
        self._digests.save()
        return found

    def is_present(self, vertex: Vertex, result: Result) -> bool:
        """Whether every content of a step's outputs is still stored, or the served image still there."""
        if isinstance(vertex.op, ServeOp):
            return self._engine.images.find(result.data["image"]) is not None
        return all(
            self._tracking.content.has(Digest(entry.content))
            for tree in _outputs([result]).values()
            for entry in tree.files
        )

    def execute(self, vertex: Vertex, inputs: Sequence[Result], task: Task) -> Result:
        """Run the step, or make the served image.

        Raises:
            StepFailed: the command ended with another code than 0, or did not write what it declared.
            Cancelled: told to stop; the run is recorded as KILLED.
        """
        op = vertex.op
        made = _outputs(inputs)
        if isinstance(op, ServeOp):
            return self._make_served(op, self._input(op.model.path, made, ""), inputs)
        assert isinstance(op, StepOp)
        return self._run_step(op, made, task)

    def restore(self, result: Result) -> list[str]:
        """Put a step's outputs back where they are missing or different in the folder; returns their paths."""
        restored = []
        for path, tree in _outputs([result]).items():
            target = f"{self._folder}/{path}"
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
            trees.place(tree, target, self._read, owner=self._owner())
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
                with open(f"{self._folder}/{path}/{entry.path}".rstrip("/"), "rb") as file:
                    files[entry.content] = file.read()
        for digest, data in files.items():
            if Digest.of(data) != digest:
                raise Conflict(text("a file of `{names}` changed while it was read", names=", ".join(code)))

        def read(digest: str) -> Iterator[bytes]:
            return iter([files[digest]]) if digest in files else self._read(digest)

        config = served_image.build(
            self._engine.snapshots,
            self._image,
            model=op.model.name,
            predict=op.model.predict,
            name=posixpath.basename(op.model.path),
            tree=tree,
            code=code,
            read=read,
        )
        image = self._engine.images.add(config.to_bytes())
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
            self._tracking,
            project=self._project.name,
            step="import",
            image=op.image,
            folder=self._folder,
            inputs={op.model.path: tree.digest},
            git=record.read_git(self._folder),
        )
        source = os.path.realpath(f"{self._folder}/{op.model.path}")
        for entry in tree.files:
            path = f"{op.model.path}/{entry.path}".rstrip("/")
            self._tracking.log_file(run_id, f"{record.OUTS}/{path}", f"{source}/{entry.path}".rstrip("/"))
        self._tracking.end_run(run_id, "FINISHED")
        return Result(tree.digest, {"run": run_id, "values": {}})

    def _input(self, path: str, made: Mapping[str, Tree], step: str) -> Tree:
        """The tree at *path*: from the steps above where they make it, from the folder otherwise."""
        for out, tree in made.items():
            if overlap(out, path):
                part = tree.below(posixpath.relpath(path, out)) if path.startswith(out) else None
                if part is None:
                    raise InvalidInput(text("`{path}`: no step makes it; there is `{out}`", path=path, out=out))
                return part
        full = os.path.realpath(f"{self._folder}/{path}")
        try:
            return trees.scan(full, self._digests, shown=path, skip=trees.LEFT_OUT)
        except FileNotFoundError:
            message = (
                text("step `{step}`: input `{path}` not found in {folder}", step=step, path=path, folder=self._folder)
                if step
                else text("`{path}` not found in {folder}", path=path, folder=self._folder)
            )
            raise InvalidInput(message, hint=text("create it, or correct the path in teul.toml")) from None
        except PermissionError as error:
            raise Denied(text("`{path}` cannot be read: {problem}", path=path, problem=error.strerror)) from error

    def _code(self, op: ServeOp) -> dict[str, Tree]:
        """What predicts: the files that `code` names, else the module of `predict` where the folder has it."""
        names = op.model.code
        if not names and op.model.predict:
            module = op.model.predict.partition(":")[0].partition(".")[0]
            names = tuple(name for name in (f"{module}.py", module) if os.path.exists(f"{self._folder}/{name}"))[:1]
        return {name: self._input(name, {}, "") for name in names}

    def _run_step(self, op: StepOp, made: Mapping[str, Tree], task: Task) -> Result:
        step = op.step
        inputs = {path: self._input(path, made, step.name) for path in step.deps}
        if self._git is None:
            self._git = record.read_git(self._folder)
        run_id = record.begin(
            self._tracking,
            project=self._project.name,
            step=step.name,
            image=op.image,
            folder=self._folder,
            inputs={path: tree.digest for path, tree in inputs.items()},
            git=self._git,
        )
        status = "FAILED"
        try:
            result = self._run_recorded(op, inputs, made, run_id, task)
            status = "FINISHED"
            return result
        except (Cancelled, KeyboardInterrupt):
            status = "KILLED"
            raise
        finally:
            record.log_missing_params(self._tracking, run_id, op.params)
            self._tracking.end_run(run_id, status)

    def _run_recorded(
        self, op: StepOp, inputs: Mapping[str, Tree], made: Mapping[str, Tree], run_id: str, task: Task
    ) -> Result:
        from teul.ml.container import StepContainer

        step = op.step
        argv = step.argv(self._project.params)
        log = _Log(task)
        with StepContainer(self._engine, self._image, run_id) as container:
            env = (
                f"MLFLOW_TRACKING_URI={self._tracking_uri(container.gateway)}",
                f"MLFLOW_TRACKING_TOKEN={self._tracking.issue_run_token(run_id)}",
                f"MLFLOW_RUN_ID={run_id}",
                f"MLFLOW_EXPERIMENT_NAME={self._project.name}",
                *(f"{name}={value}" for name, value in step.env.items()),
            )
            mounts = self._mounts(inputs, made, container.folder)
            self.started.append(step.name)
            code = container.run(
                argv,
                env=env,
                mounts=mounts,
                clear=(*step.outs, *step.metrics),
                on_output=log,
                should_stop=task.should_stop,
            )
            for stream, data in log.streams.items():
                if data:
                    self._tracking.log_artifact(run_id, f"logs/{stream}.txt", bytes(data))
            if code != 0:
                raise StepFailed(
                    text("step `{step}` ended with exit code {code}", step=step.name, code=code),
                    argv=argv,
                    exit_code=code,
                    stderr_tail=log.tail(),
                    hint=text("the whole output: teul runs show {run_id}", run_id=run_id[:8]),
                )
            self._check_unchanged(step.name, inputs, made)
            outs = {path: self._keep(run_id, step.name, path, container, argv) for path in (*step.outs, *step.metrics)}
        values: dict[str, float] = {}
        for path in step.metrics:
            values |= self._metrics(step.name, path, outs[path])
        record.log_missing_metrics(self._tracking, run_id, values)
        self._tracking.set_tags(run_id, {record.OUTPUT_TAG + path: tree.digest for path, tree in outs.items()})
        result = Result(
            digest_of({path: tree.digest for path, tree in outs.items()}),
            {
                "run": run_id,
                "outs": {path: tree.to_json() for path, tree in outs.items()},
                "values": values,
            },
        )
        self.restore(result)
        return result

    def _mounts(self, inputs: Mapping[str, Tree], made: Mapping[str, Tree], scratch: str) -> list[tuple[str, str]]:
        """(host path, path in the working directory) of each input, none inside another."""
        is_root = self._image.config.config.user.partition(":")[0] in ("", "0", "root")
        mounts = []
        for number, (path, tree) in enumerate(inputs.items()):
            if any(other != path and path.startswith(other + "/") for other in inputs):
                continue
            copy = f"{scratch}/inputs/{number}"
            source = os.path.realpath(f"{self._folder}/{path}")
            if any(overlap(out, path) for out in made):
                # The folder's copy may have been edited since; the step above made what is in its result.
                trees.place(tree, copy, self._read, owner=(0, 0), for_all=True)
                source = copy
            elif not is_root and not trees.is_open(source):
                # The files of a careful umask, which the image's user may not read.
                contents = {entry.content: f"{source}/{entry.path}".rstrip("/") for entry in tree.files}
                trees.place(tree, copy, _reader(contents), owner=(0, 0), for_all=True)
                source = copy
            mounts.append((source, path))
        return mounts

    def _check_unchanged(self, step: str, inputs: Mapping[str, Tree], made: Mapping[str, Tree]) -> None:
        for path, tree in inputs.items():
            if self._input(path, made, step).digest != tree.digest:
                raise Conflict(
                    text("step `{step}`: input `{path}` changed while it ran; nothing is kept", step=step, path=path),
                    hint=text("run `teul up` again"),
                )

    def _keep(self, run_id: str, step: str, path: str, container: object, argv: tuple[str, ...]) -> Tree:
        """Store an output that the step wrote among its run's artifacts.

        Raises:
            StepFailed: it is not there.
        """
        from teul.ml.container import StepContainer

        assert isinstance(container, StepContainer)
        source = container.output(path)
        root = f"{record.OUTS}/{path}"

        def store(file: str, status: os.stat_result) -> str:
            relative = os.path.relpath(file, source)
            return self._tracking.log_file(run_id, root if relative == "." else f"{root}/{relative}", file)

        try:
            tree = trees.scan(source, store, shown=path)
        except FileNotFoundError:
            raise StepFailed(
                text("step `{step}` did not write `{path}`", step=step, path=path),
                argv=argv,
                hint=text("`{command}` ran in {folder}", command=command_line(argv), folder=container.working_dir),
            ) from None
        return tree

    def _metrics(self, step: str, path: str, tree: Tree) -> dict[str, float]:
        """The numbers of a metrics file (JSON).

        Raises:
            StepFailed: it is not JSON, or holds no numbers.
        """
        root = tree.entries[0]
        try:
            if root.kind not in (trees.FILE, trees.EXECUTABLE) or root.size_bytes > METRICS_LIMIT_BYTES:
                raise ValueError("expected a file of at most 4 MiB")
            values = flatten(json.loads(b"".join(self._read(root.content))))
        except ValueError as error:
            raise StepFailed(
                text("step `{step}`: metrics `{path}`: expected JSON: {problem}", step=step, path=path, problem=error)
            ) from None
        if not values:
            raise StepFailed(text("step `{step}`: metrics `{path}` holds no numbers", step=step, path=path))
        return values

    def _read(self, digest: str) -> Iterator[bytes]:
        with self._tracking.content.open(Digest(digest)) as reader:
            while data := reader.read(1 << 20):
                yield data

    def _owner(self) -> tuple[int, int]:
        status = os.stat(self._folder)
        return status.st_uid, status.st_gid


class _Log:
    """Hands a step's output on to the events and keeps it for the run's artifacts."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.streams = {"stdout": bytearray(), "stderr": bytearray()}
        self._both = bytearray()

    def __call__(self, stream: str, data: bytes) -> None:
        self._task.events(Line(self._task.id, stream, data))
        kept = self.streams[stream]
        kept += data[: LOG_LIMIT_BYTES - len(kept)]
        self._both = (self._both + data)[-65536:]

    def tail(self) -> str:
        """The last lines of both streams as they came."""
        lines = self._both.decode(errors="replace").rstrip("\n").split("\n")
        return "\n".join(line.rpartition("\r")[2] for line in lines[-TAIL_LINES:])


def _reader(paths: Mapping[str, str]) -> Callable[[str], Iterator[bytes]]:
    """Reads a content from the file that has it."""

    def read(digest: str) -> Iterator[bytes]:
        with open(paths[digest], "rb") as file:
            while data := file.read(1 << 20):
                yield data

    return read


def _outputs(results: Sequence[Result]) -> dict[str, Tree]:
    """All outputs of *results* by path."""
    return {
        path: Tree.from_json(entries) for result in results for path, entries in result.data.get("outs", {}).items()
    }
