"""`teul runs export`: runs with all that belongs to them, as one file."""

from __future__ import annotations

import os

from teul.cli.flags import Flag
from teul.errors import Denied, RunNotFound, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] RUN [RUN...]"
FLAGS = (Flag("output", "o", help="The file to write; - is standard output", metavar="FILE"),)


def run(arguments: Arguments, context: Context) -> int:
    """Write a tar in MLflow's folder layout: `mlruns/…`."""
    from teul.cli.positionals import expect
    from teul.cli.units import human_size
    from teul.ml.run_archive import export
    from teul.ml.tracking import TrackingStore

    wanted = expect(arguments, "runs export", at_least=1)
    target = arguments.string("output")
    if not target:
        raise UsageError(text("say where to: -o FILE, or -o - for standard output"), hint="teul runs export --help")
    if not context.settings.has_tracking:
        raise RunNotFound(wanted[0])
    with TrackingStore.of(context.settings) as store:
        runs = [store.find_run(name).id for name in wanted]
        if target == "-":
            export(store, runs, context.stdout.buffer)
            return 0
        half = f"{target}.part-{os.getpid()}"
        try:
            with open(half, "wb") as file:
                size_bytes = export(store, runs, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, target)
        except OSError as error:
            raise Denied(text("`{path}` cannot be written: {problem}", path=target, problem=error.strerror)) from error
        finally:
            if os.path.exists(half):
                os.unlink(half)
    context.say(
        text(
            "{count} run(s), {size} of artifacts: {path}",
            count=len(runs),
            size=human_size(size_bytes),
            path=target,
        )
    )
    return 0
