"""A changed RUN in a copy of its stage, silently: to read what it says, or to keep what it writes.

Must not decide what is run, and must not touch the snapshot of the RUN itself.
"""

from __future__ import annotations

import os

from teul.build.tree import Tree
from teul.errors import BuildStepFailed
from teul.events import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.build import ops
    from teul.build.execute import BuildWorker
    from teul.build.python.cut import Piece
    from teul.events import Event
    from teul.solver import Task
    from teul.solver.graph import Result, Vertex

FILE_LIMIT_BYTES = 256 << 20
OUTPUT_LIMIT_BYTES = 64 << 20


class Rehearsal:
    """One RUN, as it may be tried out."""

    def __init__(self, worker: BuildWorker, inputs: Sequence[Result], vertex: Vertex, task: Task) -> None:
        self.worker = worker
        self.inputs = inputs
        self.vertex = vertex
        self.task = task

    def file(self, op: ops.Run, path: str) -> bytes | None:
        """Run *op* in a copy that is thrown away; the file that it wrote to *path*, if any."""
        worker = self.worker
        with worker.active(self.inputs[0]) as active:
            try:
                worker.run_in(op, self.inputs, active, self.vertex, self._quiet([]))
                tree = Tree(worker.snapshots.upper(active.key))
                place = tree.absolute(tree.resolve(path))
                if not os.path.isfile(place) or os.path.getsize(place) > FILE_LIMIT_BYTES:
                    return None
                with open(place, "rb") as file:
                    return file.read()
            except BuildStepFailed:
                return None
            finally:
                worker.give_up(active.key)

    def output(self, op: ops.Run) -> bytes | None:
        """Run *op* in a copy that is thrown away; what it wrote to stdout, None when it failed."""
        said: list[bytes] = []
        with self.worker.active(self.inputs[0]) as active:
            try:
                self.worker.run_in(op, self.inputs, active, self.vertex, self._quiet(said))
            except BuildStepFailed:
                return None
            finally:
                self.worker.give_up(active.key)
        made = b"".join(said)
        return made if len(made) < OUTPUT_LIMIT_BYTES else None

    def gone(self, op: ops.Run, *, besides: tuple[str, ...] = ()) -> tuple[list[str], bytes] | None:
        """Run *op* in a copy that is thrown away; the paths (without the first slash) that it took away, sorted, and what
        it wrote to stdout. None when it failed, or wrote anything that stays, but for what begins with one of *besides*.
        """
        from teul.layers.lower import is_opaque, whiteouts

        worker = self.worker
        said: list[bytes] = []
        with worker.active(self.inputs[0]) as active:
            try:
                worker.run_in(op, self.inputs, active, self.vertex, self._quiet(said))
                upper = worker.snapshots.upper(active.key)
                hidden = sorted(os.fsdecode(path) for path in whiteouts(upper))
                for folder, _, names in os.walk(upper):
                    inside = os.path.relpath(folder, upper)
                    written = {os.path.normpath(f"{inside}/{name}") for name in names}.difference(hidden)
                    if any(not path.startswith(besides) for path in written) or is_opaque(os.fsencode(folder)):
                        return None
                return hidden, b"".join(said)
            except BuildStepFailed:
                return None
            finally:
                worker.give_up(active.key)

    def layer(self, op: ops.Run, name: str) -> tuple[list[Piece], bytes] | None:
        """Run *op* in a copy, and make a layer of what it wrote, as of every RUN; the layer, where it wrote anything, and
        what it wrote to stdout. None when it failed.
        """
        from teul.build.python.cut import Piece
        from teul.layers import pack

        worker = self.worker
        said: list[bytes] = []
        with worker.active(self.inputs[0]) as active:
            try:
                worker.run_in(op, self.inputs, active, self.vertex, self._quiet(said))
            except BuildStepFailed:
                worker.give_up(active.key)
                return None
            worker.normalise(op, active, self.task)
            upper = worker.snapshots.upper(active.key)
            if not os.listdir(upper):
                worker.give_up(active.key)
                return [], b"".join(said)
            packed = pack(upper)
            worker.hold("layer", packed.diff_id)
            worker.snapshots.commit(active.key, packed.diff_id, tar_size_bytes=packed.tar_size_bytes)
        return [Piece(name, packed.diff_id, packed.size_bytes)], b"".join(said)

    def _quiet(self, said: list[bytes]) -> Task:
        from teul.solver.protocol import Task

        def listen(event: Event) -> None:
            if isinstance(event, Line) and event.stream == "stdout" and sum(map(len, said)) < OUTPUT_LIMIT_BYTES:
                said.append(event.data)

        return Task(self.task.id, listen, self.task.should_stop)
