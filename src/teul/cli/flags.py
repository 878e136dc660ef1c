"""Command-line flags with the grammar of Docker's (pflag): `-itd`, `-p80:80`, `--name=x`, `--name x`, `--`.

Written here because neither argparse nor click speaks it (flags after the first positional belong to the container's
command; messages are parsed by scripts), and because a `teul run` may spend 15 ms on imports in all.
"""

from __future__ import annotations

from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import dataclass
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True)
class Flag:
    """One option. *kind*: "bool", "string", "int", "list" (may be repeated), "tristate" (bool or None)."""

    name: str
    short: str = ""
    kind: str = "string"
    help: str = ""
    default: str | int | bool | None = None
    metavar: str = ""
    hidden: bool = False


class Arguments:
    """What was parsed: flags by name (`-` and all), positionals in `rest`."""

    __slots__ = ("given", "rest", "values")

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.given: set[str] = set()
        self.rest: list[str] = []

    def string(self, name: str) -> str:
        """The value, "" when it has none."""
        value = self.values[name]
        return "" if value is None else str(value)

    def optional(self, name: str) -> str | None:
        """The value, None when the flag was not given and has no default."""
        value = self.values[name]
        return None if value is None else str(value)

    def flag(self, name: str) -> bool:
        return bool(self.values[name])

    def integer(self, name: str) -> int | None:
        value = self.values[name]
        return value if isinstance(value, int) else None

    def strings(self, name: str) -> list[str]:
        value = self.values[name]
        assert isinstance(value, list)
        return value


_TRUE = {"1": True, "t": True, "T": True, "true": True, "TRUE": True, "True": True}
_FALSE = {"0": False, "f": False, "F": False, "false": False, "FALSE": False, "False": False}


def parse(flags: Sequence[Flag], argv: Sequence[str], *, interspersed: bool = True, command: str = "") -> Arguments:
    """Read *argv*. With `interspersed=False` the first positional ends the flags (as in `run IMAGE COMMAND -x`).

    Raises:
        UsageError: with pflag's words (`unknown flag: --x`).
    """
    long = {flag.name: flag for flag in flags}
    short = {flag.short: flag for flag in flags if flag.short}
    hint = text("teul {command} --help", command=command) if command else text("teul --help")
    made = Arguments()
    for flag in flags:
        made.values[flag.name] = [] if flag.kind == "list" else False if flag.kind == "bool" else flag.default
        if flag.kind == "bool" and flag.default:
            made.values[flag.name] = True

    def store(flag: Flag, value: str, spelled: str) -> None:
        made.given.add(flag.name)
        if flag.kind in ("bool", "tristate"):
            if value not in _TRUE and value not in _FALSE:
                raise UsageError(
                    text(
                        "invalid argument `{value}` for `{flag}` flag: expected true or false",
                        value=value,
                        flag=spelled,
                    ),
                    hint=hint,
                )
            made.values[flag.name] = value in _TRUE
        elif flag.kind == "int":
            try:
                made.values[flag.name] = int(value)
            except ValueError:
                raise UsageError(
                    text("invalid argument `{value}` for `{flag}` flag: expected a number", value=value, flag=spelled),
                    hint=hint,
                ) from None
        elif flag.kind == "list":
            made.strings(flag.name).append(value)
        else:
            made.values[flag.name] = value

    words = list(argv)
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            made.rest += words[position:]
            break
        if len(word) < 2 or word[0] != "-":
            made.rest.append(word)
            if not interspersed:
                made.rest += words[position:]
                break
            continue
        if word[1] == "-":
            name, equals, value = word[2:].partition("=")
            if name == "help" and "help" not in long:
                made.given.add("help")
                continue
            found = long.get(name)
            if found is None:
                raise UsageError(text("unknown flag: --{name}", name=name), hint=hint)
            if not equals:
                if found.kind in ("bool", "tristate"):
                    value = "true"
                elif position < len(words):
                    value = words[position]
                    position += 1
                else:
                    raise UsageError(text("flag needs an argument: --{name}", name=name), hint=hint)
            store(found, value, f"--{name}")
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            found = short.get(letter)
            if found is None:
                if letter == "h":
                    made.given.add("help")
                    continue
                raise UsageError(
                    text("unknown shorthand flag: '{letter}' in {word}", letter=letter, word=word), hint=hint
                )
            if found.kind in ("bool", "tristate") and not letters.startswith("="):
                store(found, "true", f"-{letter}")
                continue
            if letters:
                value, letters = letters.removeprefix("="), ""
            elif position < len(words):
                value = words[position]
                position += 1
            else:
                raise UsageError(
                    text("flag needs an argument: '{letter}' in {word}", letter=letter, word=word), hint=hint
                )
            store(found, value, f"-{letter}")
    return made
