"""`teul login`: who we are with a registry, kept where docker keeps it. The password is never printed."""

from __future__ import annotations

import os
import sys

from teul.cli.flags import Flag
from teul.errors import InvalidInput, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] [SERVER]"
FLAGS = (
    Flag("password", "p", help="Password", metavar="string"),
    Flag("password-stdin", kind="bool", help="Take the password from stdin"),
    Flag("username", "u", help="Username", metavar="string"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.engine.images import login

    if len(arguments.rest) > 1:
        raise UsageError(
            text('"teul {command}" requires at most {count} argument(s)', command="login", count=1),
            hint=text("teul {command} --help", command="login"),
        )
    server = arguments.rest[0] if arguments.rest else ""
    username, password = _who(arguments, context)
    helper = login(context.engine, server, username=username, password=password)
    if not helper:
        context.say(
            text(
                "WARNING! Your password will be stored unencrypted in {path}.\n"
                "Configure a credential helper to remove this warning",
                path=f"{context.settings.docker_config}/config.json",
            )
        )
    context.print("Login Succeeded")
    return 0


def _who(arguments: Arguments, context: Context) -> tuple[str, str]:
    username, password = arguments.string("username"), arguments.string("password")
    if arguments.flag("password-stdin"):
        if password:
            raise InvalidInput(text("--password and --password-stdin are mutually exclusive"))
        if not username:
            raise InvalidInput(text("Must provide --username with --password-stdin"))
        return username, sys.stdin.read().rstrip("\r\n")
    if password:
        context.say(text("WARNING! Using --password via the CLI is insecure. Use --password-stdin"))
    if not (username and password) and not os.isatty(0):
        raise InvalidInput(text("Cannot perform an interactive login from a non TTY device"))
    if not username:
        context.stderr.write("Username: ")
        context.stderr.flush()
        username = sys.stdin.readline().strip()
    if not password:
        import getpass

        password = getpass.getpass("Password: ", stream=context.stderr)
    if not username or not password:
        raise InvalidInput(text("username and password are required"))
    return username, password
