"""`uv sync`, told from its words: `Sync` where uv only installs what its lock says, else a doubt. Pure.

Which packages an environment gets (groups, extras, members of a workspace) is left to the stage's own uv, so an option
that says so is handed on as it is; only one that changes how they are installed, or where from, is a doubt.

Spec: uv's documentation, "uv sync" and "Environment variables".
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
class Sync:
    """One `uv sync`, as it stands."""

    program: str
    words: tuple[str, ...]
    """What follows the program, `sync` included."""
    cwd: str
    compiles: bool
    """As far as the command and the environment say; a project's own settings may say so as well."""
    has_cache: bool
    """Whether uv keeps one, where it usually does."""
    removes: tuple[str, ...] = ()
    """As of an `Install`."""


FLAGS = Table(
    switches={
        "--frozen": "locked", "--locked": "locked", "--compile-bytecode": "compile", "--compile": "compile",
        "--no-compile-bytecode": "no-compile", "--no-cache": "no-cache", "--no-cache-dir": "no-cache", "-n": "no-cache",
        "--quiet": "quiet", "-q": "quiet",
        **dict.fromkeys(
            (
                "--dev", "--no-dev", "--only-dev", "--all-extras", "--all-groups", "--no-default-groups",
                "--no-install-project", "--no-install-workspace", "--no-install-local", "--no-editable", "--inexact",
                "--exact", "--active", "--all-packages", "--verbose", "-v", "--no-progress", "--no-config",
                "--no-python-downloads", "--no-managed-python",
            ),
            "",
        ),
    },
    values=dict.fromkeys(
        (
            "--extra", "--no-extra", "--group", "--no-group", "--only-group", "--package", "--python", "-p",
            "--no-install-package", "--link-mode", "--color", "--project",
        ),
        "",
    ),
)  # fmt: skip
_VARIABLES = {
    "UV_FROZEN": "locked", "UV_LOCKED": "locked", "UV_COMPILE_BYTECODE": "compile", "UV_NO_CACHE": "no-cache",
    **dict.fromkeys(
        (
            "UV_LINK_MODE", "UV_PYTHON", "UV_PYTHON_DOWNLOADS", "UV_PYTHON_PREFERENCE", "UV_PROJECT_ENVIRONMENT",
            "UV_SYSTEM_PYTHON", "UV_NO_DEV", "UV_NO_PROGRESS", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_INDEX_URL",
            "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_INDEX_STRATEGY", "UV_CONCURRENT_DOWNLOADS",
            "UV_CONCURRENT_INSTALLS", "UV_CONCURRENT_BUILDS", "UV_TOOL_BIN_DIR", "UV_TOOL_DIR",
            "UV_BREAK_SYSTEM_PACKAGES", "UV_FIND_LINKS", "UV_EXCLUDE_NEWER",
        ),
        "",
    ),
}  # fmt: skip
"""Variable → the flag that it is, "" for one that uv itself obeys when it is asked."""
_TRUE = ("1", "true", "yes", "on", "y", "t")


def read_sync(program: str, words: Sequence[Word], cwd: str, env: Mapping[str, str]) -> Sync | Doubt:
    """What *program* with *words* (`sync` and what follows) is."""
    for word in words:
        if word.pattern:
            return Doubt(text("the shell expands `{word}`", word=word.text))
    plain = [word.text for word in words]
    read = split_flags(plain[1:], FLAGS)
    if isinstance(read, Doubt):
        return read
    flags, names = read
    if names:
        return Doubt(text("the option `{option}`", option=names[0]))
    said = {}
    for name in sorted(env):
        if name.startswith("UV_") and env[name]:
            if name not in _VARIABLES:
                return Doubt(text("the variable `{name}`", name=name))
            said[_VARIABLES[name]] = env[name].lower() in _TRUE
    for flag in flags:
        said["compile" if flag.name == "no-compile" else flag.name] = flag.name != "no-compile"
    if not said.get("locked"):
        return Doubt(text("`{command}` may change the lock", command="uv sync"))
    # What it prints is read.
    kept = tuple(word for word in plain if word not in ("--quiet", "-q"))
    return Sync(
        program=program,
        words=kept,
        cwd=cwd,
        compiles=said.get("compile", False),
        has_cache=not said.get("no-cache", False),
    )
