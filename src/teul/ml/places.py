"""Where keys and values stand in a TOML document. Must not judge it: `tomllib` has accepted it before.

`tomllib` gives values without their lines; errors in a project file must show the line with a caret.
Grammar: TOML v1.0.0, of which only as much is read as tells where things begin and end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from teul.errors import Span

Path = tuple[str | int, ...]
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(slots=True)
class Places:
    """Offsets (start, end) of keys and values by path; items of an array have their index in the path."""

    source: str
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, source: str) -> Places:
        """Read *source*, a valid TOML document."""
        made = cls(source)
        _Scanner(source, made).scan_document()
        return made

    def key(self, file: str, path: Path) -> Span:
        """The span of the key at *path*, or of the nearest one above it; line 1 when there is none."""
        while path and path not in self.keys:
            path = path[:-1]
        return self.span(file, *self.keys.get(path, (0, 0)))

    def value(self, file: str, path: Path, start: int = 0, end: int = 0) -> Span:
        """The span of the value at *path*; *start* and *end* narrow it to characters within a plain string."""
        place = self.values.get(path)
        if place is None:
            return self.key(file, path)
        if end and "\\" not in self.source[slice(*place)] and self.source[place[0]] in "\"'":
            place = (place[0] + 1 + start, place[0] + 1 + end)
        return self.span(file, *place)

    def span(self, file: str, start: int, end: int) -> Span:
        """A span of one line: a value of several lines is marked to the end of its first."""
        line = self.source.count("\n", 0, start) + 1
        begin = self.source.rfind("\n", 0, start) + 1
        finish = self.source.find("\n", begin)
        text = self.source[begin : finish if finish >= 0 else len(self.source)].rstrip("\r")
        if end <= start:
            return Span(file, line, source=text)
        return Span(file, line, column=start - begin + 1, end_column=min(end - begin, len(text)) + 1, source=text)


class _Scanner:
    def __init__(self, source: str, places: Places) -> None:
        self.source = source
        self.places = places
        self.at = 0

    def scan_document(self) -> None:
        table: Path = ()
        counts: dict[Path, int] = {}
        while True:
            self.skip_blank()
            if self.at >= len(self.source):
                return
            if self.source[self.at] == "[":
                is_array = self.source.startswith("[[", self.at)
                self.at += 2 if is_array else 1
                table = self.scan_key(())
                if is_array:
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, counts[table])
                self.at = self.source.find("]", self.at) + (2 if is_array else 1)
            else:
                self.scan_pair(table)

    def scan_pair(self, table: Path) -> None:
        """Pair = key "=" value."""
        path = self.scan_key(table)
        self.skip_spaces()
        self.at += 1
        self.skip_spaces()
        self.scan_value(path)

    def scan_key(self, table: Path) -> Path:
        """Key = part { "." part }; a part is bare or a string."""
        path = table
        while True:
            self.skip_spaces()
            start = self.at
            if self.source[self.at] in "\"'":
                self.skip_string()
                name = self.source[start + 1 : self.at - 1]
            else:
                while self.at < len(self.source) and self.source[self.at] in _BARE:
                    self.at += 1
                name = self.source[start : self.at]
            path = (*path, name)
            self.places.keys.setdefault(path, (start, self.at))
            self.skip_spaces()
            if self.source[self.at : self.at + 1] != ".":
                return path
            self.at += 1

    def scan_value(self, path: Path) -> None:
        start = self.at
        first = self.source[self.at]
        if first in "\"'":
            self.skip_string()
        elif first == "[":
            self.at += 1
            index = 0
            while True:
                self.skip_blank()
                if self.source[self.at] == "]":
                    break
                if self.source[self.at] == ",":
                    self.at += 1
                    continue
                self.scan_value((*path, index))
                index += 1
            self.at += 1
        elif first == "{":
            self.at += 1
            while True:
                self.skip_blank()
                if self.source[self.at] == "}":
                    break
                if self.source[self.at] == ",":
                    self.at += 1
                    continue
                self.scan_pair(path)
            self.at += 1
        else:
            while self.at < len(self.source) and self.source[self.at] not in ",]}#\r\n":
                self.at += 1
            while self.source[self.at - 1] in " \t":
                self.at -= 1
        self.places.values[path] = (start, self.at)

    def skip_string(self) -> None:
        quote = self.source[self.at]
        mark = quote * 3 if self.source.startswith(quote * 3, self.at) else quote
        self.at += len(mark)
        while not self.source.startswith(mark, self.at):
            self.at += 2 if quote == '"' and self.source[self.at] == "\\" else 1
        self.at += len(mark)
        # A multi-line string may end in up to two quotes of its own.
        while len(mark) == 3 and self.source.startswith(quote, self.at):
            self.at += 1

    def skip_spaces(self) -> None:
        while self.at < len(self.source) and self.source[self.at] in " \t":
            self.at += 1

    def skip_blank(self) -> None:
        while self.at < len(self.source):
            if self.source[self.at] in " \t\r\n":
                self.at += 1
            elif self.source[self.at] == "#":
                end = self.source.find("\n", self.at)
                self.at = len(self.source) if end < 0 else end
            else:
                return
