"""Splitting a shell command into simple commands, as far as that can be proved without a shell. Pure.

Only what every POSIX shell reads the same way is read: words, quotes, backslashes, comments, `&&`, `;`, line ends, and
`"$NAME"` for a variable whose value is known (without the quotes only where nothing in the value is special). Whatever
else a shell would do (pipes, redirections, substitutions, patterns, tildes, control structures) is a doubt.

Spec: POSIX.1-2017, Shell Command Language, 2.2 "Quoting", 2.3 "Token Recognition", 2.10 "Shell Grammar".
"""

from __future__ import annotations

import re

from teul.build.python.values import Doubt
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
else:
    from teul.values import dataclass

RESERVED = frozenset(
    {
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "case",
        "esac",
        "while",
        "until",
        "for",
        "in",
        "{",
        "}",
        "!",
        "[[",
    }
)


_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_./:=@%+,-]+")
"""What stays one word, and matches no file, when a shell splits and expands it."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word as the command gets it; *pattern*: it stands for itself only where no file's name matches it."""

    text: str
    pattern: bool = False


class _Unclear(Exception):
    def __init__(self, doubt: Doubt) -> None:
        super().__init__(doubt.reason)
        self.doubt = doubt


def split_commands(source: str, env: Mapping[str, str]) -> list[list[Word]] | Doubt:
    """The simple commands of *source*, in order, each run only if all before it succeeded (see the note).

    Note: with `;` and line ends a shell goes on after a failure; whoever uses this must run the command itself as
    soon as one of them fails.
    """
    try:
        return _Reader(source, env).commands()
    except _Unclear as unclear:
        return unclear.doubt


class _Reader:
    def __init__(self, source: str, env: Mapping[str, str]) -> None:
        self.source = source
        self.env = env
        self.at = 0

    def commands(self) -> list[list[Word]]:
        made: list[list[Word]] = []
        words: list[Word] = []
        joined = False
        while self.at < len(self.source):
            char = self.source[self.at]
            if char in " \t":
                self.at += 1
            elif char == "#":
                end = self.source.find("\n", self.at)
                self.at = len(self.source) if end < 0 else end
            elif self.source.startswith("\\\n", self.at):
                self.at += 2
            elif char in "\n;":
                self.at += 1
                if char == ";" and not words:
                    raise self.unclear(";")
                if words:
                    made.append(words)
                    words, joined = [], False
            elif self.source.startswith("&&", self.at):
                self.at += 2
                if not words:
                    raise self.unclear("&&")
                made.append(words)
                words, joined = [], True
            elif char in "|&<>()":
                raise self.unclear(char)
            else:
                words.append(self.word())
                if len(words) == 1 and words[0].text in RESERVED:
                    raise self.unclear(words[0].text)
        if words:
            made.append(words)
        elif joined:
            raise self.unclear("&&")
        return made

    def unclear(self, operator: str) -> _Unclear:
        return _Unclear(Doubt(text("the shell operator `{operator}`", operator=operator)))

    def expands(self, start: int) -> _Unclear:
        end = start
        while end < len(self.source) and self.source[end] not in " \t\n;":
            end += 1
        return _Unclear(Doubt(text("the shell expands `{word}`", word=self.source[start:end])))

    def word(self) -> Word:
        start = self.at
        made: list[str] = []
        quoted = pattern = False
        while self.at < len(self.source):
            char = self.source[self.at]
            if char in " \t\n;":
                break
            if char in "|&<>()":
                if char == "&" and self.source.startswith("&&", self.at):
                    break
                raise self.unclear(char)
            if char == "'":
                end = self.source.find("'", self.at + 1)
                if end < 0:
                    raise self.unclear("'")
                made.append(self.source[self.at + 1 : end])
                self.at, quoted = end + 1, True
            elif char == '"':
                made.append(self.double_quoted(start))
                quoted = True
            elif char == "\\":
                if self.at + 1 >= len(self.source):
                    raise self.unclear("\\")
                if self.source[self.at + 1] != "\n":
                    made.append(self.source[self.at + 1])
                    quoted = True
                self.at += 2
            elif char == "$" and _PLAIN_VALUE.fullmatch(value := self.variable(start)):
                made.append(value)
            elif char in "$`{}" or (char == "~" and (not made or made[-1][-1:] in ":=")):
                raise self.expands(start)
            else:
                pattern = pattern or char in "*?["
                made.append(char)
                self.at += 1
        value = "".join(made)
        if pattern and quoted:
            # Which characters of it are quoted decides what it matches.
            raise self.expands(start)
        return Word(value, pattern)

    def double_quoted(self, start: int) -> str:
        made: list[str] = []
        self.at += 1
        while self.at < len(self.source):
            char = self.source[self.at]
            if char == '"':
                self.at += 1
                return "".join(made)
            if char == "\\" and self.source[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\", "\n"):
                if self.source[self.at + 1] != "\n":
                    made.append(self.source[self.at + 1])
                self.at += 2
            elif char == "$":
                made.append(self.variable(start))
            elif char == "`":
                raise self.expands(start)
            else:
                made.append(char)
                self.at += 1
        raise self.unclear('"')

    def variable(self, start: int) -> str:
        """`$NAME` or `${NAME}` within double quotes, of a variable that is set."""
        end = self.at + 1
        braces = self.source[end : end + 1] == "{"
        end += braces
        first = end
        while end < len(self.source) and (
            (self.source[end].isascii() and self.source[end].isalnum()) or self.source[end] == "_"
        ):
            end += 1
        name = self.source[first:end]
        if not name or name[0].isdigit() or name not in self.env or (braces and self.source[end : end + 1] != "}"):
            raise self.expands(start)
        self.at = end + braces
        return self.env[name]
