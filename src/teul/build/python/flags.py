"""The options of `pip install` and `uv pip install` that a plain install may have. Pure.

A table says of each option whether it takes a value and what it is called here; "" is for one that changes what is
printed or how long it takes and nothing in the tree. An option that is not in the table is a doubt, abbreviations
included.

Spec: pip's documentation, "pip install" and "Configuration"; uv's, "uv pip install".
"""

from __future__ import annotations

from teul.build.python.values import Doubt
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import dataclass
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True)
class Flag:
    """An option by its long name without the dashes, and its value ("" for a switch)."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Table:
    """The options of one tool: word → what it is called here."""

    switches: Mapping[str, str]
    values: Mapping[str, str]


PIP = Table(
    switches={
        "--no-cache-dir": "no-cache-dir", "--no-deps": "no-deps", "--no-dependencies": "no-deps", "--no-index": "no-index",
        "--require-hashes": "require-hashes", "--prefer-binary": "prefer-binary", "--pre": "pre", "--compile": "compile",
        "--no-compile": "no-compile", "--upgrade": "upgrade", "-U": "upgrade",
        "--break-system-packages": "break-system-packages",
        "--quiet": "", "-q": "", "--verbose": "", "-v": "", "--disable-pip-version-check": "", "--no-input": "",
        "--no-color": "", "--no-warn-script-location": "", "--no-warn-conflicts": "", "--no-python-version-warning": "",
    },
    values={
        "--requirement": "requirement", "-r": "requirement", "--constraint": "constraint", "-c": "constraint",
        "--index-url": "index-url", "-i": "index-url", "--pypi-url": "index-url", "--extra-index-url": "extra-index-url",
        "--find-links": "find-links", "-f": "find-links", "--trusted-host": "trusted-host",
        "--only-binary": "only-binary", "--no-binary": "no-binary",
        "--progress-bar": "", "--timeout": "", "--default-timeout": "", "--retries": "", "--resume-retries": "",
        "--root-user-action": "",
    },
)  # fmt: skip
UV = Table(
    switches={
        "--system": "system", "--no-cache": "no-cache-dir", "--no-cache-dir": "no-cache-dir", "-n": "no-cache-dir",
        "--no-deps": "no-deps", "--no-index": "no-index", "--require-hashes": "require-hashes",
        "--compile-bytecode": "compile", "--compile": "compile", "--no-compile-bytecode": "no-compile",
        "--no-compile": "no-compile", "--upgrade": "upgrade", "-U": "upgrade",
        "--break-system-packages": "break-system-packages",
        "--quiet": "", "-q": "", "--verbose": "", "-v": "", "--no-progress": "", "--no-config": "",
    },
    values={
        "--requirement": "requirement", "--requirements": "requirement", "-r": "requirement",
        "--constraint": "constraint", "--constraints": "constraint", "-c": "constraint",
        "--index-url": "index-url", "-i": "index-url", "--default-index": "index-url",
        "--extra-index-url": "extra-index-url", "--index": "extra-index-url",
        "--find-links": "find-links", "-f": "find-links", "--index-strategy": "index-strategy",
        "--only-binary": "only-binary", "--no-binary": "no-binary", "--python": "python", "-p": "python",
        "--link-mode": "", "--color": "", "--allow-insecure-host": "trusted-host", "--trusted-host": "trusted-host",
    },
)  # fmt: skip
BEFORE = {name: meaning for name, meaning in PIP.switches.items() if meaning in ("", "no-cache-dir")}
"""Options that may stand before pip's `install`."""


def split_flags(words: Sequence[str], table: Table) -> tuple[list[Flag], list[str]] | Doubt:
    """(options, the other words) of an install's arguments."""
    flags: list[Flag] = []
    names: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            names += rest
            break
        if not word.startswith("-") or word == "-":
            names.append(word)
            continue
        read = _flag(word, rest, table)
        if read is None:
            return Doubt(text("the option `{option}`", option=word))
        flags += read
    return flags, names


def _flag(word: str, rest: list[str], table: Table) -> list[Flag] | None:
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        if name in table.switches and not equals:
            return [Flag(table.switches[name], "")]
        if name in table.values and (equals or rest):
            return [Flag(table.values[name], value if equals else rest.pop(0))]
        return None
    made: list[Flag] = []
    for number, letter in enumerate(word[1:], start=1):
        name = f"-{letter}"
        if name in table.switches:
            made.append(Flag(table.switches[name], ""))
        elif name in table.values:
            value = word[number + 1 :]
            if not value and not rest:
                return None
            return [*made, Flag(table.values[name], value or rest.pop(0))]
        else:
            return None
    return made


_IGNORED_VARIABLES = frozenset({"PIP_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_TIMEOUT", "PIP_RETRIES", "PIP_PROGRESS_BAR", "PIP_ROOT_USER_ACTION"})  # fmt: skip
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})


def pip_variable(name: str, value: str) -> list[Flag] | None:
    """The options that a variable `PIP_NAME=value` stands for, None for one that is not known here."""
    if name in _IGNORED_VARIABLES or name in ("PIP_VERSION", "PIP_PROXY"):
        return []
    if name == "PIP_CONFIG_FILE":
        return [] if value == "/dev/null" else None
    option = "--" + name[4:].lower().replace("_", "-")
    if option in PIP.switches:
        # pip reads some negative options the other way round: any value of `PIP_NO_CACHE_DIR` turns the cache off.
        if option == "--no-compile":
            return None
        if value.lower() in _TRUE:
            return [Flag(PIP.switches[option], "")] if PIP.switches[option] else []
        if option == "--no-cache-dir" and value.lower() in ("off", "0", "false", "no"):
            return [Flag("no-cache-dir", "")]
        return [] if value.lower() in ("0", "false", "no", "off", "n", "f") or not PIP.switches[option] else None
    if option in PIP.values:
        meaning = PIP.values[option]
        several = option in ("--requirement", "--constraint", "--extra-index-url", "--find-links", "--trusted-host")
        return [Flag(meaning, word) for word in (value.split() if several else [value])] if meaning else []
    return None
