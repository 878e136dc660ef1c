"""One run of one step: its container, its record, what is kept of it.

How a step runs. It gets the project's image as it is, with a writable layer of its own that goes away afterwards. Its
declared inputs are bound read-only at the same relative paths in the image's working directory, so it reads exactly
the bytes that are in its key; of the project's folder it sees nothing else. Whatever the image itself has at the place
of an output is taken away first, the working directory is given to the image's user if need be, and the declared
outputs and metrics are picked up from the writable layer: nothing else that a step writes is kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping

from teul.errors import Cancelled, Conflict, StepFailed, text
from teul.events import Line
from teul.ml import environment, record, trees
from teul.ml.container import StepContainer
from teul.ml.gate import flatten
from teul.ml.pipeline import StepOp, command_line
from teul.ml.project import overlap
from teul.ml.trees import Tree
from teul.solver import Result, Task
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.ml.steps import PipelineWorker
    from teul.runtime.foreground import Usage

TAIL_LINES = 20
LOG_LIMIT_BYTES = 64 << 20
METRICS_LIMIT_BYTES = 4 << 20


class StepRun:
    """*made* are the outputs of the steps above, by path."""

    def __init__(self, worker: PipelineWorker, op: StepOp, made: Mapping[str, Tree], task: Task) -> None:
        self._worker = worker
        self._tracking = worker.tracking
        self._op = op
        self._step = op.step
        self._made = made
        self._task = task
        self._inputs = {path: worker.input(path, made, op.step.name) for path in op.step.deps}
        self._argv = op.step.argv(worker.project.params)
        self._log = _Log(task)
        self._id = ""

    def run(self) -> Result:
        """Run it, with a run in the tracking store that ends as it ends.

        Raises:
            StepFailed, Conflict, Cancelled: nothing is kept but the record.
        """
        worker = self._worker
        self._id = record.begin(
            self._tracking,
            project=worker.project.name,
            step=self._step.name,
            image=self._op.image,
            folder=worker.folder,
            inputs=self._inputs,
            git=worker.git(),
            command=command_line(self._argv),
            params=self._op.params,
            environ=self._environ(),
        )
        environment.remember(worker.engine, self._tracking, self._op.image)
        status = "FAILED"
        try:
            result = self._result(self._run_container())
            status = "FINISHED"
            worker.restore(result)
            return result
        except (Cancelled, KeyboardInterrupt):
            status = "KILLED"
            raise
        finally:
            record.log_missing_params(self._tracking, self._id, self._op.params)
            self._tracking.end_run(self._id, status)

    def _environ(self) -> dict[str, str]:
        """What the step's environment says, the image's first."""
        said = (item.partition("=") for item in self._worker.image.config.config.env)
        return {name: value for name, _, value in said} | dict(self._step.env)

    def _run_container(self) -> dict[str, Tree]:
        """Gives the outputs and metrics files by path."""
        step = self._step
        paths = (*step.outs, *step.metrics)
        with StepContainer(self._worker.engine, self._worker.image, self._id) as container:
            env = (
                f"MLFLOW_TRACKING_URI={self._worker.tracking_uri(container.gateway)}",
                f"MLFLOW_TRACKING_TOKEN={self._tracking.issue_run_token(self._id)}",
                f"MLFLOW_RUN_ID={self._id}",
                f"MLFLOW_EXPERIMENT_NAME={self._worker.project.name}",
                *(f"{name}={value}" for name, value in step.env.items()),
            )
            mounts = self._mounts(container.folder)
            self._worker.started.append(step.name)
            try:
                code = container.run(
                    self._argv,
                    env=env,
                    mounts=mounts,
                    clear=paths,
                    gpus=self._worker.project.image.gpu,
                    on_output=self._log,
                    should_stop=self._task.should_stop,
                    on_usage=self._note_usage,
                )
            finally:
                for stream, data in self._log.streams.items():
                    if data:
                        self._tracking.log_artifact(self._id, f"logs/{stream}.txt", bytes(data))
            if code != 0:
                raise StepFailed(
                    text("step `{step}` ended with exit code {code}", step=step.name, code=code),
                    argv=self._argv,
                    exit_code=code,
                    stderr_tail=self._log.tail(),
                    hint=text("the whole output: teul runs show {run_id}", run_id=self._id[:8]),
                )
            self._check_unchanged()
            return {path: self._keep(path, container) for path in paths}

    def _note_usage(self, usage: Usage) -> None:
        record.log_usage(self._tracking, self._id, cpu_seconds=usage.cpu_s, peak_memory_bytes=usage.peak_memory_bytes)

    def _result(self, outs: Mapping[str, Tree]) -> Result:
        values: dict[str, float] = {}
        for path in self._step.metrics:
            values |= self._metrics(path, outs[path])
        record.log_missing_metrics(self._tracking, self._id, values)
        self._tracking.set_tags(self._id, {record.OUTPUT_TAG + path: tree.digest for path, tree in outs.items()})
        return Result(
            digest_of({path: tree.digest for path, tree in outs.items()}),
            {"run": self._id, "outs": {path: tree.to_json() for path, tree in outs.items()}, "values": values},
        )

    def _mounts(self, scratch: str) -> list[tuple[str, str]]:
        """(host path, path in the working directory) of each input, none inside another."""
        is_root = self._worker.image.config.config.user.partition(":")[0] in ("", "0", "root")
        mounts = []
        for number, (path, tree) in enumerate(self._inputs.items()):
            if any(other != path and path.startswith(other + "/") for other in self._inputs):
                continue
            copy = f"{scratch}/inputs/{number}"
            source = os.path.realpath(f"{self._worker.folder}/{path}")
            if any(overlap(out, path) for out in self._made):
                # The folder's copy may have been edited since; the step above made what is in its result.
                trees.place(tree, copy, self._worker.read, owner=(0, 0), for_all=True)
                source = copy
            elif not is_root and not trees.is_open(source):
                # The files of a careful umask, which the image's user may not read.
                contents = {entry.content: f"{source}/{entry.path}".rstrip("/") for entry in tree.files}
                trees.place(tree, copy, _reader(contents), owner=(0, 0), for_all=True)
                source = copy
            mounts.append((source, path))
        return mounts

    def _check_unchanged(self) -> None:
        step = self._step.name
        for path, tree in self._inputs.items():
            if self._worker.input(path, self._made, step).digest != tree.digest:
                raise Conflict(
                    text("step `{step}`: input `{path}` changed while it ran; nothing is kept", step=step, path=path),
                    hint=text("run `teul up` again"),
                )

    def _keep(self, path: str, container: StepContainer) -> Tree:
        """Store an output that the step wrote among its run's artifacts.

        Raises:
            StepFailed: it is not there.
        """
        source = container.output(path)
        root = f"{record.OUTS}/{path}"

        def store(file: str, status: os.stat_result) -> str:
            relative = os.path.relpath(file, source)
            return self._tracking.log_file(self._id, root if relative == "." else f"{root}/{relative}", file)

        try:
            return trees.scan(source, store, shown=path)
        except FileNotFoundError:
            command = command_line(self._argv)
            raise StepFailed(
                text("step `{step}` did not write `{path}`", step=self._step.name, path=path),
                argv=self._argv,
                hint=text("`{command}` ran in {folder}", command=command, folder=container.working_dir),
            ) from None

    def _metrics(self, path: str, tree: Tree) -> dict[str, float]:
        """The numbers of a metrics file (JSON).

        Raises:
            StepFailed: it is not JSON, or holds no numbers.
        """
        step = self._step.name
        root = tree.entries[0]
        try:
            if root.kind not in (trees.FILE, trees.EXECUTABLE) or root.size_bytes > METRICS_LIMIT_BYTES:
                raise ValueError("expected a file of at most 4 MiB")
            values = flatten(json.loads(b"".join(self._worker.read(root.content))))
        except ValueError as error:
            raise StepFailed(
                text("step `{step}`: metrics `{path}`: expected JSON: {problem}", step=step, path=path, problem=error)
            ) from None
        if not values:
            raise StepFailed(text("step `{step}`: metrics `{path}` holds no numbers", step=step, path=path))
        return values


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
