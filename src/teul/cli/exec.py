"""`teul exec`: Docker's flags; the exit code is the process' own, 126 not executable, 127 not found."""

from __future__ import annotations

import os

from teul.cli.flags import Flag
from teul.errors import CommandFailed, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER COMMAND [ARG...]"
INTERSPERSED = False
FLAGS = (
    Flag("detach", "d", "bool", help="Detached mode: run command in the background"),
    Flag("detach-keys", help="Override the key sequence for detaching a container", metavar="string"),
    Flag("env", "e", "list", help="Set environment variables", metavar="list"),
    Flag("env-file", kind="list", help="Read in a file of environment variables", metavar="list"),
    Flag("interactive", "i", "bool", help="Keep STDIN open even if not attached"),
    Flag("privileged", kind="bool", help="Give extended privileges to the command"),
    Flag("tty", "t", "bool", help="Allocate a pseudo-TTY"),
    Flag("user", "u", help='Username or UID (format: "<name|uid>[:<group|gid>]")', metavar="string"),
    Flag("workdir", "w", help="Working directory inside the container", metavar="string"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.containers.execution import ExecOptions, exec_

    container, *argv = expect(arguments, "exec", at_least=2)
    env: tuple[str, ...] = ()
    if arguments.strings("env") or arguments.strings("env-file"):
        from teul.cli.container_flags import environment

        env = environment(arguments, os.environ)
    options = ExecOptions(
        env=env,
        user=arguments.string("user"),
        working_dir=arguments.string("workdir"),
        interactive=arguments.flag("interactive"),
        tty=arguments.flag("tty"),
        detach=arguments.flag("detach"),
        privileged=arguments.flag("privileged"),
        detach_keys=arguments.string("detach-keys"),
    )
    if options.interactive and options.tty and not options.detach:
        from teul.cli.run import check_terminal

        check_terminal(interactive=True, tty=True)
    try:
        code = exec_(context.engine, container, argv, options=options)
        context.leaves_at_once = True
        return code
    except CommandFailed as error:
        # What the runtime did not say on the process' stderr, which is ours.
        if not error.stderr_tail:
            from teul.cli.main import report

            report(error, context)
        return error.exit_code
    except KeyboardInterrupt:
        context.say(text("interrupted"))
        return 130
