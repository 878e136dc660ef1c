"""Write docs/reference/{commands,environment,errors}.md from the code; `--check` only says what is out of date."""

from __future__ import annotations

import importlib
import inspect
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "src"))

from teul import errors  # noqa: E402 (the clone's own src comes first)
from teul.cli.help import command_help  # noqa: E402
from teul.cli.main import EXIT_CODES  # noqa: E402
from teul.cli.table import COMMANDS, DOCKER, LIFE  # noqa: E402
from teul.config import ENVIRONMENT, SERVING_ENVIRONMENT  # noqa: E402

MADE = "<!-- Made from the code by `make docs`; edit the code instead. -->\n"


COMMANDS_INTRO = """\
A bare Docker verb is Docker's, with Docker's flags; everything else is `teul NOUN VERB`, apart from a few words of the
life cycle. Every command answers `--help`, in Korean with `TEUL_LANG=ko` or a Korean locale. An option that teul does
not honour is refused by name, never ignored.

Exit codes: 0 done · 1 failed · 125, 126, 127 from `run`, `create`, `start` and `exec` as Docker's · 130 interrupted ·
a container's or a build step's own code where it ran one.
"""


def commands() -> str:
    parts = [
        "# Commands\n",
        MADE,
        COMMANDS_INTRO,
    ]
    for group, heading in ((LIFE, "Life cycle"), (DOCKER, "Docker's")):
        parts.append(f"# {heading}\n")
        for name, entry in COMMANDS.items():
            if entry[0] == group:
                module = importlib.import_module(f"teul.cli.{entry[1]}")
                parts.append(f"## teul {name}\n\n```text\n{command_help(name, module)}\n```\n")
    return "\n".join(parts)


def environment() -> str:
    return (
        f"# Environment\n\n{MADE}\n{_table(ENVIRONMENT)}\n\n"
        "Beside these, what the host says about its proxy, certificates and package indexes (`HTTP_PROXY`, `HTTPS_PROXY`,\n"
        "`NO_PROXY`, `SSL_CERT_FILE`, `PIP_*`, pip's configuration files) is handed to the processes of builds and runs,\n"
        "and never enters an image. `DOCKER_CONFIG` names the folder of Docker's `config.json` with registry credentials.\n\n"
        "## In a serving container\n\n"
        f"The model server reads these; `teul up` sets them.\n\n{_table(SERVING_ENVIRONMENT)}\n"
    )


def _table(variables: dict[str, str]) -> str:
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in variables.items())
    return f"| variable | meaning |\n|---|---|\n{rows}"


def error_codes() -> str:
    parts = [
        "# Errors\n",
        MADE,
        "Families are by what the caller can do. Codes are stable; messages are not.\n",
        "| family | code | exit code | when |\n|---|---|---|---|",
    ]
    for family in errors.TeulError.__subclasses__():
        for leaf in [family, *_leaves(family)]:
            exit_code = EXIT_CODES[family.__name__]
            parts.append(f"| {family.__name__} | `{leaf.code}` | {exit_code} | {_when(leaf)} |")
    return "\n".join(parts) + "\n"


def _leaves(family: type[errors.TeulError]) -> list[type[errors.TeulError]]:
    found = []
    for child in family.__subclasses__():
        if child.__module__ == "teul.errors":
            found += [child, *_leaves(child)]
    return found


def _when(leaf: type[errors.TeulError]) -> str:
    """The docstring's first sentence where the class has one, else its words."""
    own = inspect.cleandoc(leaf.__doc__ or "") if "__doc__" in vars(leaf) and leaf.__doc__ else ""
    if own:
        return own.partition("\n\n")[0].replace("\n", " ")
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in leaf.__name__)
    return words.strip()


PAGES = {
    "docs/reference/commands.md": commands,
    "docs/reference/environment.md": environment,
    "docs/reference/errors.md": error_codes,
}


def main() -> int:
    is_check = "--check" in sys.argv[1:]
    stale = 0
    for path, make in PAGES.items():
        whole = os.path.join(TOP, path)
        wanted = make()
        try:
            with open(whole, encoding="utf-8") as file:
                actual = file.read()
        except FileNotFoundError:
            actual = ""
        if wanted == actual:
            continue
        if is_check:
            print(f"{path} is out of date: make docs")
            stale = 1
        else:
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            with open(whole, "w", encoding="utf-8") as file:
                file.write(wanted)
    return stale


if __name__ == "__main__":
    sys.exit(main())
