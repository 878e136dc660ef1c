"""Words: splitting, quotes, escapes, and the expansion of variables as Docker does it (not quite as a shell does).

Must not know where variables come from.

Spec: Dockerfile reference, "Environment replacement": `$v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?w} ${v?w} ${v#p}
${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}`; words nest.
"""

from __future__ import annotations

from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NESTING_LIMIT = 100
LENGTH_LIMIT = 1 << 20
"""Characters that a word may expand to, or twice its own length where that is more."""
_SPECIAL = "@*#?-$!0"


class WordError(InvalidInput):
    """A word that cannot be expanded; who knows its place turns it into a `DockerfileError`."""

    code = "word"


class Expansion:
    """What became of a word: one text, the words it splits into, and the variables that it asked for."""

    __slots__ = ("missing", "text", "used", "words")

    def __init__(self, text: str, words: list[str], used: set[str], missing: set[str]) -> None:
        self.text = text
        self.words = words
        self.used = used
        self.missing = missing


def expand(
    word: str,
    variables: Mapping[str, str],
    *,
    escape: str = "\\",
    skip_quotes: bool = False,
    keep_quotes: bool = False,
    keep_unset: bool = False,
) -> Expansion:
    """Replace variables, and take quotes and escapes away.

    Args:
        skip_quotes: quotes are characters like others (bodies of heredocs).
        keep_quotes: quotes work, and stay in the text.
        keep_unset: a variable that is not set stays as it is written.

    Raises:
        WordError: says what is wrong with the word.
    """
    lexer = _Lexer(word, variables, escape, skip_quotes, keep_quotes, keep_unset)
    made, words = lexer.read("", False)
    return Expansion(made, words, lexer.used, lexer.missing)


def raw_words(line: str) -> list[str]:
    """The words of a line, quotes and escapes left in."""
    return split_words(line, "\\")


def split_words(line: str, escape: str) -> list[str]:
    """Split at white space outside of quotes; quotes and escapes stay (`expand` takes them away later)."""
    words: list[str] = []
    quote = ""
    start = -1
    position = 0
    end = len(line)
    while position < end:
        char = line[position]
        if not quote and char.isspace():
            if start >= 0:
                words.append(line[start:position])
            start = -1
        elif char == escape and quote != "'":
            if position + 1 == end:
                end = position  # an escape at the end of the line stands for nothing
                break
            start = position if start < 0 else start
            position += 1
        else:
            start = position if start < 0 else start
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
        position += 1
    if start >= 0:
        words.append(line[start:end])
    return words


def unquote(word: str) -> str:
    """The word without quotes and escapes; unchanged when it has none."""
    made = ""
    quote = ""
    position = 0
    while position < len(word):
        char = word[position]
        position += 1
        if quote:
            if char == quote:
                quote = ""
                continue
        elif char in "'\"":
            quote = char
            continue
        if char == "\\" and quote != "'" and position < len(word):
            char = word[position]
            position += 1
        made += char
    return made


class _Words:
    """Collects words: plain characters split at white space, quoted ones do not."""

    __slots__ = ("_done", "_parts")

    def __init__(self) -> None:
        self._done: list[str] = []
        self._parts: list[str] = []

    def plain(self, characters: str) -> None:
        if characters[:1].isspace():
            self._end()
        for number, part in enumerate(characters.split()):
            if number:
                self._end()
            self._parts.append(part)
        if characters[-1:].isspace():
            self._end()

    def quoted(self, characters: str) -> None:
        self._parts.append(characters)

    def finish(self) -> list[str]:
        self._end()
        return self._done

    def _end(self) -> None:
        word = "".join(self._parts)
        self._parts.clear()
        if word:
            self._done.append(word)


class _Lexer:
    def __init__(
        self,
        source: str,
        variables: Mapping[str, str],
        escape: str,
        skip_quotes: bool,
        keep_quotes: bool,
        keep_unset: bool,
    ) -> None:
        self.source = source
        self.position = 0
        self.variables = variables
        self.escape = escape
        self.skip_quotes = skip_quotes
        self.keep_quotes = keep_quotes
        self.keep_unset = keep_unset
        self.depth = 0
        self.used: set[str] = set()
        self.missing: set[str] = set()

    def checked(self, length: int) -> int:
        """*length*, while it is one to go on with: replacements within replacements multiply, and a line of a hundred
        characters could ask for more than any memory.

        Raises:
            WordError: the expansion is too long.
        """
        limit = max(LENGTH_LIMIT, 2 * len(self.source))
        if length > limit:
            raise WordError(text("expected a value of at most {limit} characters after expansion", limit=limit))
        return length

    def peek(self) -> str:
        """The next character, "" at the end."""
        return self.source[self.position : self.position + 1]

    def next(self) -> str:
        char = self.peek()
        self.position += 1 if char else 0
        return char

    def read(self, stop: str, keep_escapes: bool) -> tuple[str, list[str]]:
        """Read up to *stop* ("" is the end), which is taken away.

        Raises:
            WordError: the end came first.
        """
        self.depth += 1
        if self.depth > NESTING_LIMIT:
            raise WordError(text("expected substitutions nested at most {limit} deep", limit=NESTING_LIMIT))
        made: list[str] = []
        words = _Words()
        length = 0
        while True:
            char = self.peek()
            if char == "" and stop:
                raise WordError(text("unexpected end of statement while looking for matching {char}", char=stop))
            if char == stop:
                self.next()
                self.depth -= 1
                return "".join(made), words.finish()
            if char == "$":
                part = self.dollar()
                words.plain(part)
            elif char in "'\"" and not self.skip_quotes:
                part = self.single_quote() if char == "'" else self.double_quote(keep_escapes)
                words.quoted(part)
            else:
                part = self.next()
                if part == self.escape:
                    after = self.next()
                    part = (part if keep_escapes else "") + after
                    words.quoted(part)
                else:
                    words.plain(part)
            made.append(part)
            length = self.checked(length + len(part))

    def single_quote(self) -> str:
        """All characters up to the next one are taken as they are."""
        start = self.position + 1
        end = self.source.find("'", start)
        if end < 0:
            raise WordError(text("unexpected end of statement while looking for matching single-quote"))
        self.position = end + 1
        return self.source[start - 1 : end + 1] if self.keep_quotes else self.source[start:end]

    def double_quote(self, keep_escapes: bool) -> str:
        """Variables expand; the escape character works before a quote, a dollar and itself, and stays elsewhere."""
        quote = '"' if self.keep_quotes else ""
        self.next()
        made: list[str] = [quote]
        length = 0
        while True:
            char = self.peek()
            if char == "":
                raise WordError(text("unexpected end of statement while looking for matching double-quote"))
            if char == '"':
                self.next()
                return "".join(made) + quote
            if char == "$":
                made.append(self.dollar())
                length = self.checked(length + len(made[-1]))
                continue
            self.next()
            if char == self.escape:
                if keep_escapes:
                    made.append(char)
                after = self.peek()
                if after == "":
                    continue
                if after in ('"', "$", self.escape):
                    char = self.next()
            made.append(char)

    def dollar(self) -> str:
        self.next()
        if self.peek() != "{":
            name = self.name()
            if not name:
                return "$"
            value = self.value(name)
            return "$" + name if value is None and self.keep_unset else value or ""
        self.next()
        if self.peek() == "":
            raise WordError(text("syntax error: missing '{char}' in substitution", char="}"))
        if self.peek() in "{}:":
            raise WordError(text("syntax error: bad substitution"))
        name = self.name()
        modifier = self.next()
        if modifier == "}":
            value = self.value(name)
            return "${" + name + "}" if value is None and self.keep_unset else value or ""
        if modifier == "/":
            return self.replace(name)
        null_is_unset = modifier == ":"
        spelled = modifier
        if null_is_unset:
            modifier = self.next()
            spelled += modifier
        if not modifier:
            raise WordError(text("unexpected end of statement while looking for matching {char}", char="}"))
        if modifier not in ("-", "+", "?", "#", "%") or (null_is_unset and modifier in "#%"):
            raise WordError(
                text("unsupported modifier ({modifier}) in substitution", modifier=spelled),
                hint="${NAME:-word} ${NAME:+word} ${NAME:?message} ${NAME#pattern} ${NAME%pattern} ${NAME/pattern/word}",
            )
        word = self.until("}", modifier in "#%", "}")
        value = self.value(name)
        if modifier in "-+?":
            # Who says what holds without it knows that it may not be there.
            self.missing.discard(name)
        if value is None and self.keep_unset:
            return "${" + name + spelled + word + "}"
        if modifier == "?":
            if value is None or (null_is_unset and not value):
                reason = word or ("is not allowed to be unset" if value is None else "is not allowed to be empty")
                raise WordError(
                    text("{name}: {reason}", name=name, reason=reason),
                    hint=text("give the variable a value: ARG {name} above, and --build-arg {name}=value", name=name),
                )
            return value
        is_set = value is not None and not (null_is_unset and not value)
        if modifier == "-":
            return (value or "") if is_set else word
        if modifier == "+":
            return word if is_set else ""
        greedy = word.startswith(modifier)
        pattern = word[1:] if greedy else word
        return _trim(value or "", pattern, greedy=greedy, end=modifier == "%")

    def until(self, stop: str, keep_escapes: bool, missing: str) -> str:
        try:
            return self.read(stop, keep_escapes)[0]
        except WordError:
            if self.peek() == "":
                raise WordError(text("syntax error: missing '{char}' in substitution", char=missing)) from None
            raise

    def replace(self, name: str) -> str:
        everywhere = self.peek() == "/"
        if everywhere:
            self.next()
        pattern = self.until("/", True, "/")
        replacement = self.until("}", True, "}")
        value = self.value(name)
        if value is None and self.keep_unset:
            return "${" + name + ("//" if everywhere else "/") + pattern + "/" + replacement + "}"
        import re

        found = re.compile(_regex(pattern, greedy=True), re.DOTALL)
        length = len(value or "")

        def put(_: object) -> str:
            nonlocal length
            length = self.checked(length + len(replacement))
            return replacement

        return found.sub(put, value or "", count=0 if everywhere else 1)

    def name(self) -> str:
        """Letters, digits and `_`; digits alone or one special character when it begins with one."""
        start = self.position
        char = self.peek()
        if char.isdigit():
            while self.peek().isdigit():
                self.next()
        elif char and char in _SPECIAL:
            self.next()
        else:
            while self.peek().isalnum() or self.peek() == "_":
                self.next()
        return self.source[start : self.position]

    def value(self, name: str) -> str | None:
        value = self.variables.get(name)
        (self.missing if value is None else self.used).add(name)
        return value


def _regex(pattern: str, *, greedy: bool) -> str:
    """A shell pattern of `*` and `?` (no brackets) as a regular expression.

    What stands between two stars is looked for once, from the left, and never again: another place for it could not
    make more of the rest match. Only the last star is tried at several places, so no pattern takes exponential time.
    """
    import re

    chunks = [""]
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            chunks.append("")
        elif char == "?":
            chunks[-1] += "."
        elif char == "\\":
            after = pattern[position : position + 1]
            position += 1
            if not after or after not in "*?\\}/":
                raise WordError(
                    text(
                        "invalid pattern ({pattern}) in substitution: invalid escape '\\{char}'",
                        pattern=pattern,
                        char=after,
                    )
                )
            chunks[-1] += re.escape(after)
        else:
            chunks[-1] += re.escape(char)
    if len(chunks) == 1:
        return chunks[0]
    middle = "".join(f"(?>.*?{chunk})" for chunk in chunks[1:-1])
    return f"{chunks[0]}{middle}{'.*' if greedy else '.*?'}{chunks[-1]}"


def _trim(value: str, pattern: str, *, greedy: bool, end: bool) -> str:
    import re

    if not end:
        found = re.compile(_regex(pattern, greedy=greedy), re.DOTALL).match(value)
        return value[found.end() :] if found else value
    # The shortest suffix begins last, the longest first.
    whole = re.compile(_regex(pattern, greedy=True), re.DOTALL)
    starts = range(len(value) + 1) if greedy else range(len(value), -1, -1)
    for start in starts:
        if whole.fullmatch(value, start):
            return value[:start]
    return value
