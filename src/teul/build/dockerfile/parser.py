"""Text → nodes: directives, comments, continuation lines, flags, heredocs. Must not know what an instruction means.

Spec: Dockerfile reference, "Parser directives", "Format", "Here-documents".
"""

from __future__ import annotations

import re

from teul.build.dockerfile.words import raw_words, unquote
from teul.errors import DockerfileError, Span, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import dataclass, field
else:
    from teul.values import dataclass, field

SIZE_LIMIT = 16 << 20
"""No Dockerfile above this many characters is read."""
DIRECTIVES = frozenset({"syntax", "escape", "check"})
_BROKEN = re.compile("[\ud800-\udfff]")
_FIRST_WORD = re.compile(r"\s*(\S*)")
HEREDOC_KEYWORDS = frozenset({"ADD", "COPY", "RUN"})
BUILT_IN_SYNTAX = ("docker/dockerfile", "docker/dockerfile-upstream")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """`<<NAME` and what stands between it and the line `NAME`. *content* has its line ends, tabs as written."""

    name: str
    content: str
    expand: bool
    chomp: bool

    @property
    def text(self) -> str:
        """The content, without leading tabs when the heredoc began with `<<-`."""
        if not self.chomp:
            return self.content
        return "".join(line.lstrip("\t") for line in self.content.splitlines(keepends=True))


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction, as written: its keyword in upper case, its flags, and the rest of its joined lines."""

    keyword: str
    rest: str
    flags: tuple[str, ...]
    heredocs: tuple[Heredoc, ...]
    line: int
    end_line: int
    path: str
    source: tuple[str, ...]
    """The lines of the file that it was read from."""
    original: str = ""
    """The joined line, flags and all, without heredocs."""
    comments: tuple[str, ...] = ()

    def span(self, word: str = "") -> Span:
        """The place of *word* in it, or of all of it."""
        if word:
            found = self._find(word)
            if found is not None:
                number, column = found
                return Span(
                    self.path,
                    self.line + number,
                    column=column + 1,
                    end_column=column + 1 + len(word),
                    source=self.source[number],
                )
        first = self.source[0] if self.source else ""
        start = len(first) - len(first.lstrip())
        return Span(
            self.path,
            self.line,
            column=start + 1,
            end_column=len(first.rstrip()) + 1,
            end_line=self.end_line,
            source=first,
        )

    def _find(self, word: str) -> tuple[int, int] | None:
        """The line and the column (from 0) of *word*: by itself rather than in another one, after the keyword."""
        alone = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        keyword = _FIRST_WORD.match(self.source[0]) if self.source else None
        after = keyword.end() if keyword is not None and keyword[1] != word else 0
        for pattern, start in ((alone, after), (alone, 0), (re.compile(re.escape(word)), 0)):
            for number, line in enumerate(self.source):
                found = pattern.search(line, 0 if number else start)
                if found is not None:
                    return number, found.start()
        return None


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A parsed file. *directives* has the keys that were given; *escape* is a backslash or a backquote."""

    path: str
    nodes: tuple[Node, ...]
    escape: str = "\\"
    directives: dict[str, str] = field(default_factory=dict)
    top: tuple[str, ...] = ()
    """The lines of the directives."""
    empty_continuations: tuple[int, ...] = ()
    """Numbers of the lines whose instruction goes on after an empty line (Docker warns of it)."""


def parse(source: str, path: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile.

    Raises:
        DockerfileError: with the place.
    """
    if len(source) > SIZE_LIMIT:
        raise DockerfileError(
            text("expected a Dockerfile of at most {limit} characters, got {size}", limit=SIZE_LIMIT, size=len(source)),
            span=None,
        )
    lines = source.removeprefix("\ufeff").split("\n")
    if lines[-1] == "":
        lines.pop()
    reader = _Reader(path, [valid(line.removesuffix("\r")) for line in lines], lines)
    reader.read_directives()
    nodes = tuple(reader.nodes())
    if not nodes:
        raise DockerfileError(
            text("file with no instructions"), span=Span(path, max(1, len(lines))), hint="FROM IMAGE[:TAG]"
        )
    top = tuple(reader.lines[: len(reader.directives)])
    return Dockerfile(path, nodes, reader.escape, reader.directives, top, tuple(reader.empty_continuations))


def valid(line: str) -> str:
    """*line* with U+FFFD for each byte that is no UTF-8: what Docker's images say, since JSON cannot say the byte."""
    return line if line.isascii() else _BROKEN.sub("\ufffd", line)


class _Reader:
    def __init__(self, path: str, lines: list[str], kept: list[str]) -> None:
        self.path = path
        self.lines = lines
        self.kept = kept  # with carriage returns, as heredocs keep them
        self.escape = "\\"
        self.directives: dict[str, str] = {}
        self.empty_continuations: list[int] = []

    def read_directives(self) -> None:
        """The block of `# key=value` at the top; the first line that is not a known one ends it."""
        for number, line in enumerate(self.lines, start=1):
            found = _directive(line)
            if found is None:
                return
            key, value = found
            span = Span(self.path, number, column=1, end_column=len(line) + 1, source=line)
            if key in self.directives:
                raise DockerfileError(
                    text("only one {key} parser directive can be used", key=key),
                    span=span,
                    hint=text("remove one of the lines"),
                )
            self.directives[key] = value
            if key == "escape":
                if value not in ("\\", "`"):
                    raise DockerfileError(
                        text("invalid escape token '{value}' does not match ` or \\", value=value),
                        span=span,
                        hint="# escape=`",
                    )
                self.escape = value
            if key == "syntax":
                # A mirror's copy of Docker's frontend is Docker's frontend.
                repository = value.partition("@")[0].rpartition("/")
                image = f"{repository[0].rpartition('/')[2]}/{repository[2].partition(':')[0]}"
                if image not in BUILT_IN_SYNTAX:
                    raise DockerfileError(
                        text("syntax `{value}`: only Docker's own frontend is built in", value=value),
                        span=span,
                        hint=text("remove the line, or write `# syntax=docker/dockerfile:1`"),
                    )

    def nodes(self) -> Iterator[Node]:
        position = 0
        comments: list[str] = []
        while position < len(self.lines):
            start = position
            line = self.lines[position].lstrip()
            position += 1
            if line.startswith("#"):
                comment = line[1:].strip()
                comments = [*comments, comment] if comment else []
                continue
            joined, goes_on = self._continued(line)
            if not goes_on and not joined.strip():
                continue
            while goes_on and position < len(self.lines):
                line = self.lines[position]
                position += 1
                stripped = line.lstrip()
                if stripped.startswith("#"):
                    continue
                if not stripped:
                    self.empty_continuations.append(position)
                    continue
                part, goes_on = self._continued(line)
                joined += part
            if not joined.strip():
                continue
            keyword, _, rest = _split_once(joined.strip())
            keyword = keyword.upper()
            flags, rest = _flags(rest)
            heredocs: list[Heredoc] = []
            if "<<" in rest and _takes_heredocs(keyword, rest):
                for name, expand, chomp in heredocs_in(rest):
                    content: list[str] = []
                    while True:
                        if position >= len(self.lines):
                            raise DockerfileError(
                                text("unterminated heredoc: expected a line `{name}`", name=name),
                                span=Span(
                                    self.path,
                                    start + 1,
                                    column=max(0, self.lines[start].find("<<")) + 1,
                                    end_column=len(self.lines[start]) + 1,
                                    end_line=len(self.lines),
                                    source=self.lines[start],
                                ),
                            )
                        line = self.lines[position]
                        position += 1
                        if (line.lstrip("\t") if chomp else line) == name:
                            break
                        kept = self.kept[position - 1] + "\n"
                        # A file may hold any bytes; a script is an argument, which the image's history tells.
                        content.append(valid(kept) if keyword == "RUN" else kept)
                    heredocs.append(Heredoc(name, "".join(content), expand, chomp))
            yield Node(
                keyword,
                rest,
                flags,
                tuple(heredocs),
                start + 1,
                position,
                self.path,
                tuple(self.lines[start:position]),
                joined.strip(),
                tuple(comments),
            )
            comments = []

    def _continued(self, line: str) -> tuple[str, bool]:
        """The line without its continuation character, and whether it had one; a doubled one is a character."""
        trimmed = line.rstrip(" \t")
        if trimmed.endswith(self.escape) and not trimmed.endswith(self.escape * 2):
            return trimmed[:-1], True
        return line, False


def _directive(line: str) -> tuple[str, str] | None:
    line = line.lstrip()
    if not line.startswith("#"):
        return None
    key, equals, value = line[1:].partition("=")
    key, value = key.strip().lower(), value.strip()
    return (key, value) if equals and value and key in DIRECTIVES else None


def _split_once(line: str) -> tuple[str, str, str]:
    parts = line.split(None, 1)
    return parts[0], " ", parts[1].strip() if len(parts) == 2 else ""


def _takes_heredocs(keyword: str, rest: str) -> bool:
    if keyword == "ONBUILD":
        keyword, _, rest = _split_once(rest) if rest else ("", "", "")
        keyword = keyword.upper()
        _, rest = _flags(rest)
    return keyword in HEREDOC_KEYWORDS and json_words(rest) is None


def _flags(rest: str) -> tuple[tuple[str, ...], str]:
    """The leading `--name=value` words, quotes and escapes taken away, and what follows them."""
    flags: list[str] = []
    position = 0
    while True:
        while position < len(rest) and rest[position].isspace():
            position += 1
        if not rest.startswith("--", position):
            return tuple(flags), rest[position:]
        word = ""
        quote = ""
        while position < len(rest) and (quote or not rest[position].isspace()):
            char = rest[position]
            position += 1
            if char == "\\" and quote != "'" and position < len(rest):
                word += rest[position]
                position += 1
            elif quote and char == quote:
                quote = ""
            elif not quote and char in "'\"":
                quote = char
            else:
                word += char
        if word == "--":
            return tuple(flags), rest[position:].lstrip()
        flags.append(word)


def heredocs_in(rest: str) -> list[tuple[str, bool, bool]]:
    """The heredocs that a line opens: name, whether variables in it expand, whether leading tabs go.

    A word opens one when it is `[digits]<<[-]NAME`; the name may be quoted, and may stand after a space.
    """
    found: list[tuple[str, bool, bool]] = []
    words = raw_words(rest)
    for number, word in enumerate(words):
        opened = heredoc_name(word)
        if opened == "" and number + 1 < len(words):  # `<< EOF`
            opened = words[number + 1]
        if not opened or "<" in opened:
            continue
        name = unquote(opened)
        if name:
            found.append((name, name == opened, word.lstrip("0123456789").startswith("<<-")))
    return found


def heredoc_name(word: str) -> str | None:
    """What follows `<<` or `<<-` in a raw word, quotes and all; None when the word opens no heredoc."""
    word = word.lstrip("0123456789")
    return word[2:].removeprefix("-") if word.startswith("<<") else None


_SURROGATE = re.compile("[\ud800-\udfff]")


def json_words(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array, or None when *rest* is not one (it is the shell form then).

    Docker 26 reads no further than to the array's end, newer ones want nothing behind it. What people write there is a
    comment, which no shell would make sense of; anything else (`[ "$A" ] && b`) is the shell's.

    Raises:
        ValueError: an array with something else than strings in it.
    """
    rest = rest.strip()
    if not rest.startswith("["):
        return None
    import json

    try:
        value, end = json.JSONDecoder().raw_decode(rest)
    except (ValueError, RecursionError):
        return None
    if rest[end:].lstrip()[:1] not in ("", "#"):
        return None
    if not all(isinstance(item, str) for item in value):
        raise ValueError("when using JSON array syntax, arrays must be comprised of strings only")
    # Half of a surrogate pair is no character; Go's JSON gives this instead.
    return tuple(_SURROGATE.sub("\ufffd", item) for item in value)
