"""`teul runs import`: runs from a file of `runs export`, or from a folder of MLflow's file store."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments, Flag

USAGE = "FILE|FOLDER|-"
FLAGS: tuple[Flag, ...] = ()


def run(arguments: Arguments, context: Context) -> int:
    """A run keeps its id; one that is here already is left alone."""
    from teul.cli.positionals import expect
    from teul.ml.run_archive import import_folder, import_tar
    from teul.ml.tracking import TrackingStore

    (source,) = expect(arguments, "runs import", exactly=1)
    with TrackingStore.of(context.settings) as store:
        if os.path.isdir(source):
            made = import_folder(store, source)
        else:
            scratch = tempfile.mkdtemp(prefix="import-", dir=context.settings.root)
            try:
                if source == "-":
                    made = import_tar(store, sys.stdin.buffer, scratch)
                else:
                    with open(source, "rb") as file:
                        made = import_tar(store, file, scratch)
            except OSError as error:
                if error.filename != source:
                    raise
                raise InvalidInput(
                    text("`{path}` cannot be read: {problem}", path=source, problem=error.strerror)
                ) from error
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    for item in made:
        how = text("imported") if item.is_new else text("was here already")
        context.print(f"{item.run_id}  {item.experiment}/{item.name}  {context.translate(how)}")
    return 0
