"""`teul init`: a project file for the code that is in a folder."""

from __future__ import annotations

import os

from teul.cli.flags import Flag
from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] [FOLDER]"
FLAGS = (
    Flag("name", kind="string", help="Name of the project (default: the folder's)"),
    Flag("python", kind="string", help="Version of Python (default: what the folder asks for, else 3.11)"),
    Flag("as-of", help="Resolve Python packages as their index was on this day (2024-05-15)", metavar="date"),
    Flag("dockerfile", kind="bool", help="Write a Dockerfile, instead of `[image]` with Python and requirements"),
    Flag("dry-run", kind="bool", help="Print what would be written, and write nothing"),
)


def run(arguments: Arguments, context: Context) -> int:
    """Find out what the code needs, and write it down."""
    from teul.ml.project import NAME
    from teul.ml.starting import start

    if len(arguments.rest) > 1:
        raise UsageError(text("expected one folder, got {count}", count=len(arguments.rest)), hint="teul init --help")
    name, python = arguments.string("name"), arguments.string("python")
    if name and (not NAME.fullmatch(name) or len(name) > 63):
        raise UsageError(
            text(
                "`{key}`: expected lower-case letters, digits and single `.`, `_` or `-` between them, got `{name}`",
                key="--name",
                name=name,
            ),
            hint="teul init --help",
        )
    if python and not (python.startswith("3.") and python[2:].isdigit()):
        raise UsageError(
            text(
                "`{name}`: expected {expected}, got `{value}`",
                name="--python",
                expected=text("a version such as `3.11`"),
                value=python,
            ),
            hint="teul init --help",
        )
    as_of = arguments.string("as-of")
    if as_of:
        from teul.build.python.as_of import parse_as_of

        parse_as_of(as_of)
    is_dry = arguments.flag("dry-run")
    made = start(
        arguments.rest[0] if arguments.rest else ".",
        say=context.translate,
        name=name,
        python=python,
        as_of=as_of,
        with_dockerfile=arguments.flag("dockerfile"),
        dry_run=is_dry,
        environ=os.environ,
        events=context.sink("plain"),
    )
    for path in made.written:
        how = text("would write {path}", path=path) if is_dry else text("wrote {path}", path=path)
        context.print(context.translate(how))
    for path in made.kept:
        context.print(context.translate(text("kept {path}", path=path)))
    if made.requirements:
        context.print(context.translate(text("found imports of {names}", names=", ".join(made.requirements))))
    if not is_dry:
        folder = os.path.relpath(made.folder)
        context.print(
            context.translate(text("next: {command}", command="teul up" if folder == "." else f"teul up {folder}"))
        )
    return 0
