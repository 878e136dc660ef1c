"""`teul run`: Docker's flags, output and exit codes (125 teul's own failure, 126 not executable, 127 not found)."""

from __future__ import annotations

import os

from teul.cli.container_flags import REFUSED_FLAGS, SHARED, to_options
from teul.cli.flags import Flag
from teul.errors import Cancelled, CommandFailed, InvalidInput, TeulError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import replace

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine import Engine
    from teul.engine.containers.options import ContainerOptions
    from teul.engine.containers.record import Container
    from teul.events import Event
else:
    from teul.values import replace

USAGE = "[OPTIONS] IMAGE [COMMAND] [ARG...]"
INTERSPERSED = False
USAGE_EXIT_CODE = 125
FLAGS = (
    Flag("detach", "d", "bool", help="Run container in background and print container ID"),
    Flag("attach", "a", "list", help="Attach to STDIN, STDOUT or STDERR", metavar="list"),
    Flag("detach-keys", help="Override the key sequence for detaching a container", metavar="string"),
    Flag("sig-proxy", kind="bool", default=True, help="Proxy received signals to the process"),
    Flag(
        "track",
        help="Let MLflow in the container record in this experiment, with image, code and output; in a project's folder"
        " that is the default while a tracking server runs, and '' turns it off",
        metavar="EXPERIMENT",
    ),
    *SHARED,
    *REFUSED_FLAGS,
)
ENGINE_FAILED = 125


def run(arguments: Arguments, context: Context) -> int:
    import gc

    from teul.cli.positionals import expect

    # We live for milliseconds, or wait for a container: looking for cycles would cost two of them and find none.
    gc.disable()
    expect(arguments, "run", at_least=1)
    try:
        options = to_options(arguments, detach=arguments.flag("detach"), environ=os.environ)
        options, mark = _tracked(arguments, options, context)
        if options.detach:
            return _detached(arguments, options, context)
        return _attended(arguments, options, context, mark)
    except TeulError as error:
        return fail(error, context)


def _tracked(arguments: Arguments, options: ContainerOptions, context: Context) -> tuple[ContainerOptions, str]:
    """*options* for a container whose runs are recorded, and the mark that it has then; else as they are, and ""."""
    experiment = arguments.optional("track")
    if not experiment and (experiment is not None or not os.path.exists("teul.toml")):
        return options, ""
    from teul.engine.images import ensure
    from teul.ml.tracked import LABEL, experiment_in_project, prepare, prepare_in_project

    folder = os.getcwd()
    try:
        found = experiment or experiment_in_project(context.engine, options, folder=folder)
    except TeulError as error:
        return _untracked(error, options, context)
    if not found:
        return options, ""
    # What is recorded is the image that then runs, so it is pulled here and not once more afterwards.
    sink = _sink(arguments, context)
    image = ensure(context.engine, options.image, platform=options.platform, pull=options.pull, events=sink)
    options = replace(options, pull="never" if options.pull == "never" else "missing")
    if experiment:
        made = prepare(context.engine, options, image, experiment=found, folder=folder)
        return made, made.labels[LABEL]
    try:
        made = prepare_in_project(context.engine, options, image, experiment=found, folder=folder)
    except TeulError as error:
        return _untracked(error, options, context)
    return made, made.labels[LABEL] if made is not options else ""


def _untracked(error: TeulError, options: ContainerOptions, context: Context) -> tuple[ContainerOptions, str]:
    context.say(text("nothing is recorded: {reason}", reason=context.translate(error.message)))
    return options, ""


def fail(error: TeulError, context: Context) -> int:
    """Say what went wrong; the exit code is Docker's."""
    from teul.cli.main import report

    report(error, context)
    if isinstance(error, Cancelled):
        return 130
    if isinstance(error, CommandFailed) and error.exit_code in (126, 127):
        return error.exit_code
    return ENGINE_FAILED


def write_id_file(path: str, container: Container) -> None:
    """What `--cidfile` asks for.

    Raises:
        InvalidInput: the file exists, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise InvalidInput(
            text("container ID file found, make sure the other container isn't running or delete {path}", path=path)
        ) from None
    except OSError as error:
        raise InvalidInput(text("file `{path}`: {problem}", path=path, problem=error.strerror or error)) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(container.id)


def check_terminal(*, interactive: bool, tty: bool) -> None:
    """Raises: InvalidInput, with Docker's words, when a terminal is asked for and stdin is none."""
    if interactive and tty and not os.isatty(0):
        raise InvalidInput(text("the input device is not a TTY"))


def _detached(arguments: Arguments, options: ContainerOptions, context: Context) -> int:
    from teul.engine.containers.creation import create
    from teul.engine.containers.startup import start

    if arguments.strings("attach"):
        raise InvalidInput(text("Conflicting options: -a and -d"))
    container = create(context.engine, replace(options, starts=True), events=_sink(arguments, context))
    try:
        if arguments.string("cidfile"):
            write_id_file(arguments.string("cidfile"), container)
        start(context.engine, container.id)
    except BaseException:
        if options.remove or arguments.string("cidfile"):
            from teul.engine.containers.removal import remove

            remove(context.engine, container.id, force=True, with_volumes=True)
        raise
    context.print(container.id)
    return 0


def _attended(arguments: Arguments, options: ContainerOptions, context: Context, mark: str) -> int:
    from teul.engine.containers.attached import Streams, run_foreground, write_through
    from teul.runtime.attach import DETACH_KEYS

    check_terminal(interactive=options.interactive, tty=options.tty)
    wanted = [word.lower() for word in arguments.strings("attach")]
    for word in wanted:
        if word not in ("stdin", "stdout", "stderr"):
            raise InvalidInput(text("invalid argument `{value}` for `{flag}` flag: valid streams are STDIN, STDOUT and STDERR",
                                    value=word, flag="-a"))  # fmt: skip

    def on_output(descriptor: int, data: bytes) -> None:
        if not wanted or ("stdout" if descriptor == 1 else "stderr") in wanted:
            write_through(descriptor, data)

    def on_created(container: Container) -> None:
        if arguments.string("cidfile"):
            write_id_file(arguments.string("cidfile"), container)

    if mark:
        from teul.ml.tracked import Output

        on_output = Output(on_output)
    left: list[Callable[[Engine], None]] = []
    takes_input = options.interactive and (not wanted or "stdin" in wanted)
    code = run_foreground(
        context.engine,
        options,
        streams=Streams(
            stdin=0 if takes_input else None,
            on_output=on_output,
            detach_keys=arguments.optional("detach-keys") or DETACH_KEYS,
            proxies_signals=arguments.flag("sig-proxy"),
        ),
        on_created=on_created,
        events=_sink(arguments, context),
        defer=left.append,
    )
    if mark:
        from teul.ml.tracked import finish

        assert isinstance(on_output, Output)
        try:
            finish(context.engine, mark, on_output.files, code)
        except TeulError as error:
            # The container has run: its exit code is the answer. The server settles its runs when it can.
            context.say(text("the output is not recorded: {reason}", reason=context.translate(error.message)))
    if left:
        finish_later(context, left)
    context.leaves_at_once = True
    return code


def finish_later(context: Context, left: list[Callable[[Engine], None]]) -> None:
    """Do what is left in a child that outlives us; what it does is journalled, so a kill loses nothing."""
    context.stdout.flush()
    if os.fork() != 0:
        return
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        from teul.engine import Engine

        # The connection to the database is our parent's; SQLite's do not survive a fork.
        engine = Engine.open(context.settings)
        for finish in left:
            finish(engine)
        engine.close()
    finally:
        os._exit(0)


def _sink(arguments: Arguments, context: Context) -> Callable[[Event], None]:
    """A sink that is made when there is something to say: mostly, the image is here."""
    made: list[Callable[[Event], None]] = []

    def sink(event: Event) -> None:
        if not made:
            made.append(context.sink("quiet" if arguments.flag("quiet") else "auto", title="Pulling"))
        made[0](event)

    return sink
