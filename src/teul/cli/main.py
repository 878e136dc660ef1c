"""The entry point: find the command, run it, turn an error into a message and an exit code."""

from __future__ import annotations

import os
import sys

from teul.errors import CommandFailed, TeulError, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teul.cli.context import Context

EXIT_CODES = {
    "NotFound": 1,
    "AlreadyExists": 1,
    "InvalidInput": 1,
    "Conflict": 1,
    "Corrupt": 1,
    "Denied": 1,
    "Unavailable": 1,
    "Unsupported": 1,
    "CommandFailed": 1,
    "Cancelled": 130,
    "Detached": 1,
}
"""Error family → exit code. `run`, `create`, `start` and `exec` answer 125, 126 and 127 themselves, as Docker does."""

_NO_WORDS = ("", "[OPTIONS]")
"""The `USAGE` of a command that takes none besides its flags."""
_GARBAGE_AFTER = 50_000
"""So many more objects than before make Python look for garbage; its own 700 are made by a few imports."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    if argv is None:
        import gc

        # Most commands end before there is any garbage; looking for it would take a twentieth of their time.
        gc.set_threshold(_GARBAGE_AFTER)
    from teul.cli.context import Context
    from teul.config import Settings

    words = list(sys.argv[1:] if argv is None else argv)
    context = Context(Settings.from_environ(os.environ))
    try:
        code = dispatch(words, context)
        if context.leaves_at_once and argv is None:
            context.stdout.flush()
            context.stderr.flush()
            os._exit(code)
        return code
    except TeulError as error:
        report(error, context)
        return exit_code(error)
    except ExceptionGroup as group:
        # Validators collect every problem of a document; each is shown with its place.
        known, unknown = group.split(TeulError)
        if known is None or unknown is not None:
            raise
        problems = list(_leaves(known))
        for problem in problems:
            report(problem, context)
        return exit_code(problems[0])
    except KeyboardInterrupt:
        context.say(text("interrupted"))
        return 130
    except BrokenPipeError:
        # The reader of our output went away; point stdout elsewhere so that the interpreter's own flush is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except OSError as error:
        root = context.settings.root
        if error.errno in (13, 30) and str(error.filename or "").startswith(root):
            message = text("the state folder `{path}` cannot be written: {problem}", path=root, problem=error.strerror)
            report(TeulError(message, hint="TEUL_ROOT=FOLDER"), context)
            return 1
        if error.errno not in (28, 122):
            raise
        path = error.filename or context.settings.root
        if not error.filename and os.path.isdir(path) and os.statvfs(path).f_bavail:
            # There is room, so it is our output that has none.
            path = "/dev/stdout"
        context.say(text("no space left on the disk that holds `{path}`", path=path))
        if path != "/dev/stdout":
            context.say(text("hint: {hint}", hint="teul system prune"))
        return 1
    finally:
        context.close()


def _leaves(group: ExceptionGroup[TeulError]) -> Iterator[TeulError]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def dispatch(words: list[str], context: Context) -> int:
    """Find the longest command that *words* begin with and run it."""
    from teul.cli.table import ALIASES, COMMANDS

    if not words or words[0] in ("--help", "-h", "help"):
        from teul.cli.help import show_overview

        return show_overview(context, words[1:])
    if words[0] in ("--version", "-v"):
        words = ["version"]
    for length in (3, 2, 1):
        name = " ".join(words[:length])
        name = ALIASES.get(name, name)
        if len(words) >= length and name in COMMANDS:
            return run_command(name, words[length:], context)
    from teul.cli.help import unknown_command

    return unknown_command(context, words)


def run_command(name: str, words: list[str], context: Context) -> int:
    """Parse the flags of command *name* and call its module."""
    from teul.cli.flags import parse
    from teul.cli.table import COMMANDS

    # Not `importlib`, which loads `warnings`.
    module = __import__(f"teul.cli.{COMMANDS[name][1]}", fromlist=["run"])
    try:
        arguments = parse(module.FLAGS, words, interspersed=getattr(module, "INTERSPERSED", True), command=name)
    except UsageError as error:
        if not hasattr(module, "USAGE_EXIT_CODE"):
            raise
        report(error, context)
        return int(module.USAGE_EXIT_CODE)
    if "help" in arguments.given:
        from teul.cli.help import show_command

        return show_command(context, name, module)
    if arguments.rest and module.USAGE in _NO_WORDS:
        from teul.cli.positionals import expect

        expect(arguments, name, exactly=0)
    code: int = module.run(arguments, context)
    return code


def exit_code(error: TeulError) -> int:
    """By family; a failed process hands on its own code where the command says so."""
    if isinstance(error, CommandFailed) and error.code == "build-step-failed":
        return error.exit_code or 1
    for kind in type(error).__mro__:
        if kind.__name__ in EXIT_CODES:
            return EXIT_CODES[kind.__name__]
    return 1


def report(error: TeulError, context: Context) -> None:
    """Print the message, the place with a caret, and the hint, on stderr."""
    context.say(text("teul: {message}", message=context.translate(error.message)))
    span = error.span
    if span is not None:
        context.stderr.write(f"  --> {span}\n")
        if span.source:
            context.stderr.write(f"   | {span.source}\n")
            if span.column:
                from teul.cli.width import width

                before, marked = span.source[: span.column - 1], span.source[span.column - 1 :]
                if span.end_column > span.column:
                    marked = marked[: span.end_column - span.column]
                else:
                    marked = marked[:1]
                # Tabs stay tabs and a Hangul syllable counts two, so that the caret stands under what it means.
                pad = "".join(char if char == "\t" else " " * width(char) for char in before)
                context.stderr.write(f"   | {pad}{'^' * max(1, width(marked))}\n")
    if isinstance(error, UsageError) and error.hint:
        context.say(text("See '{hint}'", hint=error.hint))
    elif error.hint:
        context.say(text("hint: {hint}", hint=context.translate(error.hint)))


if __name__ == "__main__":
    sys.exit(main())
