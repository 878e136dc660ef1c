"""`.dockerignore`, and Go's path patterns. Pure.

Source: moby/patternmatcher (patternmatcher.go, ignorefile); Go's path/filepath, `Match` and `Clean`.
"""

from __future__ import annotations

import re
from posixpath import normpath

from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class IgnoreError(InvalidInput):
    """A pattern that Go would refuse."""

    code = "dockerignore"


def read_ignore_file(source: str) -> list[str]:
    """The patterns of a `.dockerignore`, one a line, cleaned; an exception keeps its `!` in front."""
    made: list[str] = []
    # Go's scanner knows one end of a line; Python's `splitlines` knows ten.
    for line in source.removeprefix("\ufeff").split("\n"):
        if line.startswith("#"):
            continue
        pattern = line.strip()
        if not pattern:
            continue
        negated = pattern.startswith("!")
        if negated:
            pattern = pattern[1:].strip()
        if pattern:
            pattern = clean(pattern)
            if len(pattern) > 1 and pattern.startswith("/"):
                pattern = pattern[1:]
        made.append(f"!{pattern}" if negated else pattern)
    return made


def clean(path: str) -> str:
    """Go's `filepath.Clean`."""
    made = normpath(path)
    return made[1:] if made.startswith("//") else made


class Pattern:
    """One pattern; `negated` when it began with `!`."""

    __slots__ = ("_regex", "negated", "prefix", "suffix", "text")

    def __init__(self, pattern: str) -> None:
        self.negated = pattern.startswith("!")
        self.text = pattern[1:] if self.negated else pattern
        if not self.text:
            raise IgnoreError(text("illegal exclusion pattern: `{pattern}`", pattern=pattern))
        check_pattern(self.text)
        self._regex: re.Pattern[str] | _Glob | None = None
        self.prefix = ""
        self.suffix = ""
        if not _has_wildcards(self.text.replace("**", "")):
            # The three shapes that most files consist of need no regular expression.
            if self.text.count("**") == 1 and self.text.endswith("**"):
                self.prefix = self.text[:-2]
            elif self.text.count("**") == 1 and self.text.startswith("**"):
                self.suffix = self.text[2:]
        if not self.prefix and not self.suffix and _has_wildcards(self.text):
            self._regex = _compiled(self.text)

    def matches(self, path: str) -> bool:
        """Whether the pattern matches exactly this path (not one above it)."""
        if self._regex is not None:
            return self._regex.fullmatch(path) is not None
        if self.prefix:
            return path.startswith(self.prefix)
        if self.suffix:
            return path.endswith(self.suffix) or (self.suffix.startswith("/") and path == self.suffix[1:])
        return path == self.text

    def may_match_below(self, folder: str) -> bool:
        """Whether it could match something inside *folder*."""
        fixed = self.text
        for position, char in enumerate(fixed):
            if char in "*?[\\":
                fixed = fixed[:position]
                return fixed.startswith(folder + "/") or (folder + "/").startswith(fixed)
        return fixed.startswith(folder + "/")


class IgnoreMatcher:
    """Patterns in order; the last one that matches decides."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(Pattern(clean(pattern.strip())) for pattern in patterns if pattern.strip())
        self._negated = tuple(pattern for pattern in self.patterns if pattern.negated)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def step(self, path: str, above: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """Whether *path* is ignored, given what was found for the folder it is in (`()` at the root).

        Returns also what to hand down to what is inside *path*. A pattern that matched a folder matches all in it.
        """
        ignored = False
        found: list[bool] = []
        for number, pattern in enumerate(self.patterns):
            match = bool(above) and above[number]
            if not match and pattern.negated == ignored:
                match = pattern.matches(path)
            found.append(match)
            if match:
                ignored = not pattern.negated
        return ignored, tuple(found)

    def is_ignored(self, path: str) -> bool:
        """Whether *path* (relative, clean) is ignored, itself or by a folder above it."""
        above: tuple[bool, ...] = ()
        ignored = False
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            ignored, above = self.step("/".join(parts[:length]), above)
        return ignored

    def which(self, path: str) -> str:
        """The pattern that makes *path* ignored, "" when it is not."""
        parts = path.split("/")
        names = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        decided = ""
        for pattern in self.patterns:
            if pattern.negated == bool(decided) and any(pattern.matches(name) for name in names):
                decided = "" if pattern.negated else pattern.text
        return decided

    def may_hold_exceptions(self, folder: str) -> bool:
        """Whether something inside an ignored folder may be taken in again by a `!` pattern."""
        return any(pattern.may_match_below(folder) for pattern in self._negated)


def _has_wildcards(pattern: str) -> bool:
    return any(char in "*?[]\\" for char in pattern)


def _regex(pattern: str) -> str:
    made: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            if pattern[position : position + 1] == "*":
                position += 1
                if pattern[position : position + 1] == "/":
                    position += 1
                made.append(".*" if position == len(pattern) else "(?:.*/)?")
            else:
                made.append("[^/]*")
        elif char == "?":
            made.append("[^/]")
        elif char == "[":
            end = _class_end(pattern, position)
            made.append(_class(pattern[position:end]))
            position = end + 1
        elif char == "\\" and position < len(pattern):
            made.append(re.escape(pattern[position]))
            position += 1
        else:
            made.append(re.escape(char))
    return "".join(made)


STARS_LIMIT = 3
"""A pattern of more stars than this is matched step by step: a regular expression would try all ways to fill them."""


def _compiled(pattern: str) -> re.Pattern[str] | _Glob:
    if pattern.count("*") - pattern.count("**") > STARS_LIMIT:
        return _Glob(pattern)
    return re.compile(_regex(pattern), re.DOTALL)


class _Glob:
    """As the regular expression of `_regex`, all ways at once: time is the pattern's length times the path's."""

    def __init__(self, pattern: str) -> None:
        self._parts: list[tuple[str, re.Pattern[str] | None]] = []
        position = 0
        while position < len(pattern):
            start = position
            char = pattern[position]
            position += 1
            if char == "*":
                kind = "star"
                if pattern[position : position + 1] == "*":
                    position += 1
                    if pattern[position : position + 1] == "/":
                        position += 1
                    kind = "deep" if position == len(pattern) else "folders"
                self._parts.append((kind, None))
                continue
            if char == "[":
                position = _class_end(pattern, position) + 1
            elif char == "\\" and position < len(pattern):
                position += 1
            self._parts.append(("one", re.compile(_regex(pattern[start:position]), re.DOTALL)))

    def fullmatch(self, path: str) -> bool | None:
        """True, or None."""
        end = len(self._parts)
        # (part, whether it has begun): only "folders" makes a difference of it.
        now = self._reached({(0, False)})
        for char in path:
            after: set[tuple[int, bool]] = set()
            for part, _ in now:
                if part == end:
                    continue
                kind, one = self._parts[part]
                if kind == "one":
                    if one is not None and one.fullmatch(char):
                        after.add((part + 1, False))
                elif kind == "star":
                    if char != "/":
                        after.add((part, False))
                elif kind == "deep":
                    after.add((part, False))
                else:
                    after.add((part, True))
                    if char == "/":
                        after.add((part + 1, False))
            now = self._reached(after)
            if not now:
                return None
        return True if (end, False) in now else None

    def _reached(self, states: set[tuple[int, bool]]) -> set[tuple[int, bool]]:
        """With what can be had for nothing: any star that has not begun may be empty."""
        waiting = list(states)
        while waiting:
            part, begun = waiting.pop()
            if part < len(self._parts) and not begun and self._parts[part][0] != "one":
                following = (part + 1, False)
                if following not in states:
                    states.add(following)
                    waiting.append(following)
        return states


def _class_end(pattern: str, position: int) -> int:
    """The position of the `]` that ends a class whose first character stands at *position*.

    Raises:
        IgnoreError: there is none.
    """
    start = position
    if pattern[position : position + 1] == "^":
        position += 1
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            position += 2
            continue
        if char == "]" and position > start:
            return position
        position += 1
    raise IgnoreError(text("pattern `{pattern}`: syntax error in pattern", pattern=pattern))


def _class(body: str) -> str:
    """The inside of a class: characters and ranges, a backslash before any of them."""
    negated = body.startswith("^")
    position = int(negated)
    made = ""
    while position < len(body):
        first, position = _class_character(body, position)
        made += re.escape(first)
        if body[position : position + 1] == "-" and position + 1 < len(body):
            last, position = _class_character(body, position + 1)
            made += f"-{re.escape(last)}"
    return f"[^{made}]" if negated else f"[{made}]"


def _class_character(body: str, position: int) -> tuple[str, int]:
    if body[position] == "\\" and position + 1 < len(body):
        position += 1
    return body[position], position + 1


def check_pattern(pattern: str) -> None:
    """Raises: IgnoreError, where Go's `filepath.Match` would call the pattern bad."""
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "\\":
            if position == len(pattern):
                raise IgnoreError(text("pattern `{pattern}`: syntax error in pattern", pattern=pattern))
            position += 1
        elif char == "[":
            end = _class_end(pattern, position)
            body = pattern[position:end].removeprefix("^")
            if not body or body.startswith("-") or body.endswith("-"):
                raise IgnoreError(text("pattern `{pattern}`: syntax error in pattern", pattern=pattern))
            position = end + 1
    try:
        re.compile(_regex(pattern))
    except re.error as error:
        raise IgnoreError(text("pattern `{pattern}`: syntax error in pattern", pattern=pattern)) from error


def has_wildcards(path: str) -> bool:
    """Whether a source of COPY is a pattern."""
    position = 0
    while position < len(path):
        if path[position] in "*?[":
            return True
        position += 2 if path[position] == "\\" else 1
    return False


def component_regex(pattern: str) -> re.Pattern[str] | _Glob:
    """Go's `filepath.Match` for one component of a path.

    Raises:
        IgnoreError: a bad pattern.
    """
    check_pattern(pattern)
    # Here a double star is two single ones; one after a backslash is a character.
    return _compiled(re.sub(r"(\\.)|\*+", lambda found: found[1] or "*", pattern, flags=re.DOTALL))


def unescaped(component: str) -> str:
    """A component without wildcards, its backslashes taken away."""
    return re.sub(r"\\(.)", r"\1", component, flags=re.DOTALL)
