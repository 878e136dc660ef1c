"""One form for the bytecode that a RUN wrote, made in its own stage. Must not know which command wrote it."""

from __future__ import annotations

from teul.build.tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.build import ops
    from teul.build.execute import BuildWorker, _Active
    from teul.solver.protocol import Task


def canonicalise_bytecode(worker: BuildWorker, op: ops.Run, active: _Active, task: Task) -> None:
    """Rewrite what *op* compiled to one form, whichever process compiled it.

    Raises:
        Cancelled: the build was stopped meanwhile.
    """
    from teul.build.python.bytecode import MADE
    from teul.build.python.canonical import canonicalise, find
    from teul.oci.runtime import Mount
    from teul.runtime.foreground import run
    from teul.runtime.spec import Process, Sandbox

    upper = worker.snapshots.upper(active.key)
    env = dict(entry.partition("=")[::2] for entry in op.env)

    def ask(args: Sequence[str], stdin: int, made: str) -> int:
        sandbox = Sandbox(
            process=Process(args=tuple(args), env=("PATH=/usr/bin:/bin", "HOME=/root", "LANG=C.UTF-8"), cwd="/"),
            rootfs=f"{active.folder}/rootfs",
            mounts=(Mount("bind", made, MADE, ("rbind", "nosuid", "nodev", "rw")),),
            hostname="teul",
            network="none",
            readonly=True,
        )
        return run(
            worker.driver(),
            sandbox,
            id=active.key,
            bundle=active.folder,
            rootfs_mounts=worker.snapshots.mounts(active.key),
            stdin=stdin,
            on_output=lambda stream, data: None,
            should_stop=task.should_stop,
        )

    with active.mounted() as rootfs:
        groups = find(upper, Tree(rootfs), env)
    if groups:
        canonicalise(upper, groups, f"{active.folder}/bytecode", run=ask)
