"""What a `poetry install` says, as far as it may be done without running all of it. Pure.

Groups, extras, markers and settings are left to the stage's own poetry, so an option that says which packages are meant
is handed on as it is; only one that changes how they are installed is a doubt.

Spec: Poetry's documentation, "Commands", "Configuration".
"""

from __future__ import annotations

from teul.build.python.flags import Table, split_flags
from teul.build.python.values import Doubt
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import dataclass

    from teul.build.python.shell import Word
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Poetry:
    """One `poetry install`, and what stands around it in its RUN."""

    program: str
    words: tuple[str, ...]
    """What follows the program."""
    cwd: str
    """Where it runs, after the lines before."""
    shell: tuple[str, ...] = ()
    """The shell and its options, for these lines; none in the exec form."""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    """What is taken away afterwards."""


_SWITCHES = (
    "--no-root", "--sync", "--all-extras", "--all-groups", "--no-directory", "--no-plugins", "--no-interaction", "-n",
    "--no-ansi", "--ansi", "--no-cache", "--quiet", "-q", "--verbose", "-v",
)  # fmt: skip
FLAGS = Table(
    switches=dict.fromkeys(_SWITCHES, ""),
    values=dict.fromkeys(("--only", "--with", "--without", "--extras", "-E"), ""),
)
_VARIABLES = (
    "POETRY_VERSION", "POETRY_HOME", "POETRY_VENV", "POETRY_CACHE_DIR", "POETRY_NO_INTERACTION", "POETRY_NO_ANSI",
    "POETRY_VIRTUALENVS_", "POETRY_INSTALLER_PARALLEL", "POETRY_INSTALLER_MAX_WORKERS", "POETRY_REQUESTS_",
)  # fmt: skip
"""Of a name, or its beginning: what poetry itself obeys when it is asked, or what only Dockerfiles read."""
_SETTINGS = (
    "virtualenvs.create", "virtualenvs.in-project", "virtualenvs.path", "virtualenvs.options.", "virtualenvs.prompt",
    "virtualenvs.prefer-active-python", "virtualenvs.use-poetry-python", "installer.parallel", "installer.max-workers",
    "requests.max-retries",
)  # fmt: skip


def is_setting(words: Sequence[Word]) -> bool:
    """Whether the words after `poetry` change a setting that goes with the install, and nothing else."""
    plain = [word.text for word in words]
    if plain[:1] != ["config"] or any(word.pattern for word in words):
        return False
    rest = [word for word in plain[1:] if word not in ("--local", "--no-interaction", "-n", "--no-ansi")]
    return len(rest) == 2 and rest[0].startswith(_SETTINGS) and not rest[1].startswith("-")


def read_poetry(program: str, words: Sequence[Word], cwd: str, env: Mapping[str, str]) -> Poetry | Doubt | None:
    """What *program* with *words* (what follows it) is; None for another of its commands."""
    plain = [word.text for word in words]
    command = next((word for word in plain if not word.startswith("-")), "")
    if command not in ("install", "sync"):
        return None
    for word in words:
        if word.pattern:
            return Doubt(text("the shell expands `{word}`", word=word.text))
    at = plain.index(command)
    read = split_flags([*plain[:at], *plain[at + 1 :]], FLAGS)
    if isinstance(read, Doubt):
        return read
    _, names = read
    if names:
        return Doubt(text("the option `{option}`", option=names[0]))
    for name in sorted(env):
        if name.startswith("POETRY_") and env[name] and not name.startswith(_VARIABLES):
            return Doubt(text("the variable `{name}`", name=name))
    return Poetry(program=program, words=tuple(plain), cwd=cwd)
