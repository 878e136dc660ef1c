"""`--format`: the part of Go's text/template that Docker's users write. Must not know what it formats.

Fields (`.State.Status`), `range`, `if`, `else`, `with`, `end`, variables, pipelines and Docker's functions
(`json`, `join`, `split`, `index`, `len`, `lower`, `upper`, `title`, `print`, `println`, `printf`, `slice`, `eq` …).

Source: https://pkg.go.dev/text/template, https://docs.docker.com/engine/cli/formatting/
"""

from __future__ import annotations

import json

from teul.cli.columns import render_table
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Node = tuple[str, Any, Any, Any]


def render_records(template: str, headings: Mapping[str, str], records: Iterable[Mapping[str, object]]) -> str:
    """A list in Docker's `--format`, without a line end after the last line.

    Args:
        template: "" or "table": the columns of *headings*, all of them, in order; "json": one object per line;
            `table TEMPLATE`: columns parted by tabs, with headings; else a template for each record.
        headings: field → heading of its column.
        records: field → value; may have more fields than *headings*.
    Raises:
        InvalidInput: the template does not parse or names a field that is not there.
    """
    # Docker's are maps, whose keys Go's encoder sorts.
    records = [dict(sorted(record.items())) for record in records]
    if template == "json":
        return "\n".join(_json(record) for record in records)
    if template in ("", "table"):
        rows = [[show(record.get(field)) for field in headings] for record in records]
        return render_table(list(headings.values()), rows)
    if template.startswith("table "):
        nodes = parse_template(template.removeprefix("table ").strip())
        shown = [_execute_all(nodes, dict(headings), template)]
        shown += [_execute_all(nodes, record, template) for record in records]
        return render_table((), [line.split("\t") for line in shown])
    nodes = parse_template(template)
    return "\n".join(_execute_all(nodes, record, template) for record in records)


def render_template(template: str, value: object) -> str:
    """*template* filled from *value* (what JSON can hold); "json" alone is the whole value as JSON.

    Raises:
        InvalidInput: the template does not parse or names a field that is not there.
    """
    if template == "json":
        return _json(value)
    return _execute_all(parse_template(template), value, template)


class Anything(dict[str, object]):
    """A map whose keys are data: one that is not there is `<no value>`, as in Go, and no mistake in the template."""


class Omitting(dict[str, object]):
    """A map that leaves out what is empty, with what Docker's structure says in place of that (*zeroes*, by field)."""

    zeroes: Mapping[str, object]

    def __init__(self, value: Mapping[str, object], zeroes: Mapping[str, object]) -> None:
        super().__init__(value)
        self.zeroes = zeroes


def show(value: object) -> str:
    """*value* as Go prints it: `true`, `[a b]`, `map[k:v]`, `<no value>`."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(show(item) for item in value) + "]"
    return str(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _wrong(template: str, reason: str) -> InvalidInput:
    return InvalidInput(text("template `{template}`: {reason}", template=template, reason=reason))


def parse_template(template: str) -> list[Node]:
    """*template* as a tree of ("text" | "show" | "set" | "range" | "if" | "with", …) nodes.

    Raises:
        InvalidInput: it does not parse.
    """
    source = template.replace("\\t", "\t").replace("\\n", "\n")
    pieces: list[tuple[str, str]] = []
    position = 0
    while True:
        start = source.find("{{", position)
        if start < 0:
            pieces.append(("text", source[position:]))
            break
        end = _action_end(source, start + 2)
        if end < 0:
            raise _wrong(template, text("unclosed action"))
        before, action = source[position:start], source[start + 2 : end]
        if action.startswith("- "):
            before, action = before.rstrip(), action[2:]
        pieces.append(("text", before))
        position = end + 2
        if action.endswith(" -"):
            action = action[:-2]
            while position < len(source) and source[position].isspace():
                position += 1
        if not action.strip().startswith("/*"):
            pieces.append(("action", action.strip()))
    parser = _Parser(template, pieces)
    nodes, _ = parser.block(is_inner=False)
    return nodes


def _action_end(source: str, position: int) -> int:
    quote = ""
    while position < len(source):
        character = source[position]
        if quote:
            if character == "\\" and quote == '"':
                position += 1
            elif character == quote:
                quote = ""
        elif character in "\"`'":
            quote = character
        elif source.startswith("}}", position):
            return position
        position += 1
    return -1


class _Parser:
    """Blocks of a template; `position` is the next piece."""

    def __init__(self, template: str, pieces: list[tuple[str, str]]) -> None:
        self.template = template
        self.pieces = pieces
        self.position = 0

    def block(self, *, is_inner: bool) -> tuple[list[Node], str]:
        """The nodes up to `end` or `else …`, and that word ("" at the end of the template)."""
        nodes: list[Node] = []
        while self.position < len(self.pieces):
            kind, words = self.pieces[self.position]
            self.position += 1
            head, _, rest = words.partition(" ")
            if kind == "text":
                if words:
                    nodes.append(("text", words, None, None))
            elif head in ("range", "if", "with"):
                nodes.append(self.control(head, rest))
            elif head in ("end", "else"):
                if not is_inner:
                    raise _wrong(self.template, text("unexpected {word}", word=words))
                return nodes, words
            else:
                nodes.append(("show", _pipeline(self.template, words), None, None))
        if is_inner:
            raise _wrong(self.template, text("`end` is missing"))
        return nodes, ""

    def control(self, head: str, condition: str) -> Node:
        """One `range`, `if` or `with` with its `else`; `else if` shares the `end`."""
        pipeline = _pipeline(self.template, condition)
        inner, closing = self.block(is_inner=True)
        other: list[Node] = []
        word, _, rest = closing.partition(" ")
        if word == "else":
            if rest:
                nested, _, condition = rest.strip().partition(" ")
                if nested not in ("if", "with"):
                    raise _wrong(self.template, text("unexpected {word}", word=closing))
                other = [self.control(nested, condition)]
            else:
                other, closing = self.block(is_inner=True)
                if closing != "end":
                    raise _wrong(self.template, text("unexpected {word}", word=closing))
        return (head, pipeline, inner, other)


def _pipeline(template: str, words: str) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Variables that are declared (`$key, $value :=`) and the commands between `|`, each a list of operands."""
    declared: tuple[str, ...] = ()
    before, sign, after = words.partition(":=")
    if sign and before.lstrip().startswith("$") and '"' not in before:
        declared = tuple(name.strip() for name in before.split(","))
        words = after
    commands: list[list[Any]] = [[]]
    for word in _words(template, words):
        if word == "|":
            commands.append([])
        else:
            commands[-1].append(word)
    if not all(commands):
        raise _wrong(template, text("missing value for command"))
    return declared, [_nest(template, command) for command in commands]


def _words(template: str, source: str) -> list[str]:
    made: list[str] = []
    position = 0
    while position < len(source):
        character = source[position]
        if character.isspace():
            position += 1
        elif character in "|()":
            made.append(character)
            position += 1
        elif character in '"`':
            end = position + 1
            while end < len(source) and source[end] != character:
                end += 2 if source[end] == "\\" and character == '"' else 1
            if end >= len(source):
                raise _wrong(template, text("unterminated quoted string"))
            made.append(source[position : end + 1])
            position = end + 1
        else:
            end = position
            while end < len(source) and not source[end].isspace() and source[end] not in "|()":
                end += 1
            made.append(source[position:end])
            position = end
    return made


def _nest(template: str, words: list[str]) -> list[Any]:
    """Words with `( … )` as inner pipelines, marked by a tuple; a field after `)` belongs to the group."""
    stack: list[list[Any]] = [[]]
    for word in words:
        if word == "(":
            stack.append([])
        elif word == ")":
            if len(stack) == 1:
                raise _wrong(template, text("unexpected {word}", word=")"))
            inner = stack.pop()
            stack[-1].append(("group", inner, ""))
        elif word.startswith(".") and len(word) > 1 and stack[-1] and _is_bare_group(stack[-1][-1]):
            stack[-1][-1] = ("group", stack[-1][-1][1], word)
        else:
            stack[-1].append(word)
    if len(stack) != 1:
        raise _wrong(template, text("unclosed left paren"))
    return stack[0]


def _is_bare_group(operand: object) -> bool:
    return isinstance(operand, tuple) and operand[2] == ""


def _execute_all(nodes: list[Node], value: object, template: str) -> str:
    out: list[str] = []
    _execute(nodes, value, {"$": value}, template, out)
    return "".join(out)


def _execute(nodes: list[Node], dot: object, variables: dict[str, object], template: str, out: list[str]) -> None:
    for kind, first, inner, other in nodes:
        if kind == "text":
            out.append(first)
            continue
        declared, commands = first
        value = _run(commands, dot, variables, template)
        if kind == "show":
            if declared:
                variables[declared[0]] = value
            else:
                out.append(show(value))
            continue
        scope = dict(variables)
        if kind == "range":
            pairs = _pairs(value)
            for key, item in pairs:
                if len(declared) == 2:
                    scope[declared[0]], scope[declared[1]] = key, item
                elif declared:
                    scope[declared[0]] = item
                _execute(inner, item, scope, template, out)
            if not pairs:
                _execute(other, dot, scope, template, out)
            continue
        if declared:
            scope[declared[0]] = value
        if value:
            _execute(inner, value if kind == "with" else dot, scope, template, out)
        else:
            _execute(other, dot, scope, template, out)


def _pairs(value: object) -> list[tuple[object, object]]:
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    return []


def _run(commands: list[list[Any]], dot: object, variables: dict[str, object], template: str) -> object:
    value: object = None
    for position, command in enumerate(commands):
        piped = [value] if position else []
        head = command[0]
        if isinstance(head, str) and head in _FUNCTIONS:
            arguments = [_operand(operand, dot, variables, template) for operand in command[1:]] + piped
            try:
                value = _FUNCTIONS[head](*arguments)
            except InvalidInput:
                raise
            except (TypeError, ValueError, LookupError, AttributeError):
                raise _wrong(template, text("wrong arguments for `{function}`", function=head)) from None
        elif head == ".Label" and len(command) == 2 and isinstance(dot, dict) and "Labels" in dot:
            value = _label(str(dot["Labels"]), str(_operand(command[1], dot, variables, template)))
        elif len(command) > 1 or piped:
            raise _wrong(template, text("function `{function}` not defined", function=head))
        else:
            value = _operand(head, dot, variables, template)
    return value


def _label(labels: str, name: str) -> str:
    """`.Label "name"`: one of the labels in *labels* (`a=b,c=d`); in the row of headings, the name itself."""
    if labels == "LABELS":
        return name
    found: dict[str, str] = {}
    last = ""
    for piece in labels.split(","):
        key, equals, value = piece.partition("=")
        if equals:
            last = key
            found[key] = value
        elif last:
            # A comma of the value's own.
            found[last] += f",{piece}"
    return found.get(name, "")


def _operand(operand: Any, dot: object, variables: dict[str, object], template: str) -> object:
    if isinstance(operand, tuple):
        return _fields(_run([operand[1]], dot, variables, template), operand[2], template)
    word: str = operand
    if word == ".":
        return dot
    if word.startswith("."):
        return _fields(dot, word, template)
    if word.startswith("$"):
        name, _, rest = word.partition(".")
        if name not in variables:
            raise _wrong(template, text("undefined variable `{name}`", name=name))
        return _fields(variables[name], f".{rest}" if rest else "", template)
    if word[0] in '"`':
        return json.loads(word) if word[0] == '"' else word[1:-1]
    if word in ("true", "false"):
        return word == "true"
    if word == "nil":
        return None
    if word in _FUNCTIONS:
        return _run([[word]], dot, variables, template)
    try:
        return int(word)
    except ValueError:
        raise _wrong(template, text("function `{function}` not defined", function=word)) from None


_MAPS = frozenset(
    (
        *(
            "Annotations",
            "Attributes",
            "Containers",
            "Data",
            "DriverOpts",
            "ExposedPorts",
            "Labels",
            "Networks",
            "Options",
        ),
        *("StorageOpt", "Sysctls", "Tmpfs", "Volumes"),
    )
)
"""The fields whose values are maps in Docker too, not structures: see `Anything`."""


def _fields(value: object, path: str, template: str) -> object:
    is_map = False
    for name in path.split(".")[1:]:
        if is_map or isinstance(value, Anything):
            value = value.get(name) if isinstance(value, dict) else None
            # Of what is not there, there is nothing further down.
            is_map = value is None
            continue
        if isinstance(value, Omitting) and name not in value and name in value.zeroes:
            value = value.zeroes[name]
            continue
        if not isinstance(value, dict) or name not in value:
            known = ", ".join(sorted(value)) if isinstance(value, dict) else ""
            raise InvalidInput(
                text("template `{template}`: no field `{name}`", template=template, name=name),
                hint=text("fields: {known}", known=known) if known else None,
            )
        value = value[name]
        is_map = name in _MAPS and (value is None or isinstance(value, dict))
    return value


def _index(value: Any, *keys: Any) -> object:
    for key in keys:
        if isinstance(value, dict):
            # Of a map of words a missing one is "", of a map of lists an empty one.
            value = value.get(key, [] if any(isinstance(item, list) for item in value.values()) else "")
        else:
            value = value[key]
    return value


def _slice(value: Any, *ends: int) -> object:
    return value[slice(*ends)] if len(ends) > 1 else value[ends[0] :]


def _printf(template: str, *values: object) -> str:
    shown = tuple(value if isinstance(value, int | float) else show(value) for value in values)
    return template.replace("%v", "%s").replace("%q", '"%s"') % shown


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "json": _json,
    "join": lambda items, glue: glue.join(show(item) for item in items),
    "split": lambda value, glue: value.split(glue),
    "index": _index,
    "slice": _slice,
    "len": len,
    "lower": lambda value: show(value).lower(),
    "upper": lambda value: show(value).upper(),
    "title": lambda value: show(value).title(),
    "truncate": lambda value, count: value[:count],
    "pad": lambda value, before, after: " " * before + value + " " * after if value else value,
    "print": lambda *values: "".join(show(value) for value in values),
    "println": lambda *values: " ".join(show(value) for value in values) + "\n",
    "printf": _printf,
    "not": lambda value: not value,
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
    "eq": lambda left, *rights: any(left == right for right in rights),
    "ne": lambda left, right: left != right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
}
