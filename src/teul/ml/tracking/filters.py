"""MLflow's search grammar: text to comparisons. Must not know tables or SQL.

    filter     = comparison { "AND" comparison }
    comparison = identifier operator value | identifier "IS" ["NOT"] "NULL" | identifier ["NOT"] "IN" "(" string {"," string} ")"
    identifier = [ entity "." ] key        key: bare word, `backticked` or "quoted"
    entity     = "metrics" | "params" | "tags" | "attributes" | "datasets" and their other spellings
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "LIKE" | "ILIKE"
    order      = identifier [ "ASC" | "DESC" ]

Keywords are in any case. A string is quoted with ' or "; inside '…' a quote is written twice. What may be compared
with what depends on the thing that is searched: that is what a `Grammar` holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from teul.errors import TrackingInvalid

METRIC = "metric"
PARAM = "parameter"
TAG = "tag"
ATTRIBUTE = "attribute"
DATASET = "dataset"

_ENTITIES = {
    "metric": METRIC,
    "metrics": METRIC,
    "parameter": PARAM,
    "parameters": PARAM,
    "param": PARAM,
    "params": PARAM,
    "tag": TAG,
    "tags": TAG,
    "attribute": ATTRIBUTE,
    "attributes": ATTRIBUTE,
    "attr": ATTRIBUTE,
    "run": ATTRIBUTE,
    "dataset": DATASET,
    "datasets": DATASET,
}
_NUMERIC = ("=", "!=", "<", "<=", ">", ">=")
_TEXT = ("=", "!=", "LIKE", "ILIKE")
_LISTS = ("IN", "NOT IN")
_NULLS = ("IS NULL", "IS NOT NULL")
_KEYWORDS = ("AND", "LIKE", "ILIKE", "IN", "NOT", "IS", "NULL", "OR")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One clause. *value* is None for IS NULL, a tuple for IN."""

    entity: str
    key: str
    operator: str
    value: str | float | int | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Order:
    entity: str
    key: str
    is_ascending: bool


@dataclass(frozen=True, slots=True)
class Grammar:
    """What can be searched: attribute names by kind, the other entities, which attributes take a list."""

    entities: tuple[str, ...]
    text: tuple[str, ...]
    numeric: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()
    """Entities that can be asked for IS NULL."""
    order: tuple[str, ...] = ()
    """Attributes to order by; empty: every attribute."""
    aliases: tuple[tuple[str, str], ...] = ()
    order_entities: tuple[str, ...] = (ATTRIBUTE,)

    @property
    def orderable(self) -> tuple[str, ...]:
        return (*self.order, *(name for name, _ in self.aliases)) if self.order else self.attributes

    @property
    def attributes(self) -> tuple[str, ...]:
        return (*self.text, *self.numeric, *(name for name, _ in self.aliases))


RUNS = Grammar(
    entities=(METRIC, PARAM, TAG, ATTRIBUTE, DATASET),
    text=("artifact_uri", "run_id", "run_name", "status", "user_id"),
    numeric=("start_time", "end_time"),
    lists=("run_id",),
    nulls=(PARAM, TAG),
    order=("artifact_uri", "end_time", "run_id", "run_name", "start_time", "status", "user_id"),
    aliases=(
        ("created", "start_time"),
        ("Created", "start_time"),
        ("run name", "run_name"),
        ("Run name", "run_name"),
        ("Run Name", "run_name"),
    ),
    order_entities=(METRIC, PARAM, TAG, ATTRIBUTE),
)
EXPERIMENTS = Grammar(
    entities=(TAG, ATTRIBUTE),
    text=("name", "experiment_id"),
    numeric=("creation_time", "last_update_time"),
    lists=("experiment_id",),
    nulls=(TAG,),
)
REGISTERED_MODELS = Grammar(
    entities=(TAG, ATTRIBUTE), text=("name",), lists=("name",), order=("name", "timestamp", "last_updated_timestamp")
)
MODEL_VERSIONS = Grammar(
    entities=(TAG, ATTRIBUTE),
    text=("name", "run_id", "source_path"),
    numeric=("version_number",),
    lists=("name", "run_id"),
    order=("name", "version_number", "creation_timestamp", "last_updated_timestamp"),
)
LOGGED_MODELS = Grammar(
    entities=(METRIC, PARAM, TAG, ATTRIBUTE),
    text=("model_id", "name", "model_type", "source_run_id", "status", "artifact_location", "experiment_id"),
    numeric=("creation_timestamp_ms", "last_updated_timestamp_ms"),
    lists=("model_id", "name", "model_type", "source_run_id", "experiment_id"),
    aliases=(
        ("creation_time", "creation_timestamp_ms"),
        ("creation_timestamp", "creation_timestamp_ms"),
        ("last_updated_timestamp", "last_updated_timestamp_ms"),
    ),
)

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<identifier>(?:[^\W\d]\w*\.)?`[^`]*` | [^\W\d]\w*\."[^"]*" | [^\W\d][\w]*(?:\.[^\s()=<>!,'"`]+)?)
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
    | (?P<string>'(?:[^']|'')*'|"[^"]*")
    | (?P<operator><=|>=|!=|<>|==|=|<|>)
    | (?P<punctuation>[(),;])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        """The keyword that it is, in capitals, or ""."""
        upper = self.text.upper()
        return upper if self.kind == "identifier" and upper in _KEYWORDS else ""


_END = _Token("end", "")


def parse_filter(text: str, grammar: Grammar) -> list[Comparison]:
    """Read a filter; an empty one has no clauses.

    Raises:
        TrackingInvalid: with MLflow's words where it has some.
    """
    if not text or not text.strip():
        return []
    parser = _Parser(text, grammar)
    made = [parser.comparison()]
    while not parser.at_end:
        parser.expect_and()
        made.append(parser.comparison())
    return made


def parse_order(text: str, grammar: Grammar) -> Order:
    """Read one `order_by` clause.

    Raises:
        TrackingInvalid: it does not parse, or cannot be ordered by.
    """
    try:
        tokens = _tokens(text)
    except TrackingInvalid:
        tokens = []
    if not 1 <= len(tokens) <= 2 or tokens[0].kind not in ("identifier", "string"):
        raise TrackingInvalid(f"Invalid order_by clause '{text}'. Could not be parsed.")
    ascending = True
    if len(tokens) == 2:
        word = tokens[1].text.lower()
        if word not in ("asc", "desc"):
            raise TrackingInvalid(f"Invalid ordering key in order_by clause '{text}'.")
        ascending = word == "asc"
    entity, key = _identify(tokens[0].text, grammar, grammar.orderable)
    if entity not in grammar.order_entities:
        raise TrackingInvalid(f"Invalid order_by entity: {entity}")
    return Order(entity, dict(grammar.aliases).get(key, key) if entity == ATTRIBUTE else key, ascending)


def parse_orders(texts: Sequence[str], grammar: Grammar) -> list[Order]:
    """Read all clauses. Raises: TrackingInvalid, also for a key that comes twice."""
    orders = [parse_order(text, grammar) for text in texts]
    if len({(order.entity, order.key) for order in orders}) != len(orders):
        raise TrackingInvalid(f"`order_by` contains duplicate fields: {list(texts)}")
    return orders


class _Parser:
    def __init__(self, text: str, grammar: Grammar) -> None:
        self._text = text
        self._grammar = grammar
        self._tokens = _tokens(text)
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position >= len(self._tokens)

    def _next(self) -> _Token:
        token = self._tokens[self._position] if not self.at_end else _END
        self._position += 1
        return token

    def _peek(self) -> _Token:
        return self._tokens[self._position] if not self.at_end else _END

    def _invalid(self, token: _Token) -> TrackingInvalid:
        if token.kind == "end":
            return TrackingInvalid(f"Invalid clause(s) in filter string: '{self._text}'")
        return TrackingInvalid(f"Invalid clause(s) in filter string: '{token.text}'")

    def expect_and(self) -> None:
        token = self._next()
        if token.text == ";":
            raise TrackingInvalid(
                f"Search filter contained multiple expression {self._text!r}. Provide AND-ed expression list."
            )
        if token.word != "AND":
            raise self._invalid(token)

    def comparison(self) -> Comparison:
        grammar = self._grammar
        left = self._next()
        if left.kind != "identifier" or left.word:
            raise self._invalid(left)
        entity, key = _identify(left.text, grammar, grammar.attributes)
        operator = self._operator()
        if operator in _NULLS:
            if entity not in grammar.nulls:
                raise TrackingInvalid(
                    f"IS NULL / IS NOT NULL is only supported for tags and params, not for '{entity}' '{key}'"
                )
            return Comparison(entity, key, operator, None)
        key = dict(grammar.aliases).get(key, key) if entity == ATTRIBUTE else key
        self._check_operator(entity, key, operator)
        return Comparison(entity, key, operator, self._value(entity, key, operator))

    def _operator(self) -> str:
        token = self._next()
        if token.kind == "operator":
            return {"==": "=", "<>": "!="}.get(token.text, token.text)
        word = token.word
        if word in ("LIKE", "ILIKE", "IN"):
            return word
        if word == "NOT" and self._peek().word in ("IN", "NULL"):
            self._next()
            return "NOT IN"
        if word == "IS":
            following = self._next()
            if following.word == "NOT" and self._next().word == "NULL":
                return "IS NOT NULL"
            if following.word == "NULL":
                return "IS NULL"
        raise self._invalid(token)

    def _check_operator(self, entity: str, key: str, operator: str) -> None:
        is_number = entity == METRIC or (entity == ATTRIBUTE and key in self._grammar.numeric)
        valid: tuple[str, ...] = _NUMERIC if is_number else _TEXT
        if entity == DATASET or (entity == ATTRIBUTE and not is_number):
            valid = (*_TEXT, *_LISTS)
        if entity in self._grammar.nulls:
            valid = (*valid, *_NULLS)
        if operator not in valid:
            raise TrackingInvalid(f"Invalid comparator '{operator}' not one of '{set(valid)}'")

    def _value(self, entity: str, key: str, operator: str) -> str | float | int | tuple[str, ...]:
        token = self._next()
        if operator in _LISTS:
            if token.text != "(":
                raise self._invalid(token)
            values = self._list()
            if entity == ATTRIBUTE and key not in self._grammar.lists:
                raise TrackingInvalid(
                    f"Only {sorted(self._grammar.lists)} attributes support comparison with a list of quoted string"
                    " values."
                )
            return values
        if token.kind == "end":
            raise self._invalid(token)
        if entity == METRIC:
            if token.kind != "number":
                raise TrackingInvalid(f"Expected numeric value type for metric. Found {token.text}")
            return float(token.text)
        if entity == ATTRIBUTE and key in self._grammar.numeric:
            if token.kind != "number":
                raise TrackingInvalid(f"Expected numeric value type for numeric attribute: {key}. Found {token.text}")
            return int(token.text) if token.text.lstrip("+-").isdigit() else float(token.text)
        if token.kind != "string":
            what = "attributes" if entity == ATTRIBUTE else "dataset attributes" if entity == DATASET else entity
            example = " (e.g. 'my-value')" if entity in (PARAM, TAG) else ""
            got = f"Got value {token.text}"
            raise TrackingInvalid(f"Expected a quoted string value for {what}{example}. {got}")
        return _unquote(token.text)

    def _list(self) -> tuple[str, ...]:
        values: list[str] = []
        while True:
            token = self._next()
            if token.text == ")" and not values:
                raise TrackingInvalid(
                    "While parsing a list in the query, expected a non-empty list of string values, but got empty list"
                )
            if token.kind != "string":
                raise TrackingInvalid(
                    "While parsing a list in the query, expected string value, punctuation, or whitespace, but got"
                    f" different type in list: {token.text or self._text}"
                )
            values.append(_unquote(token.text))
            separator = self._next()
            if separator.text == "," and self._peek().text == ")":
                separator = self._next()
            if separator.text == ")":
                return tuple(values)
            if separator.text != ",":
                raise TrackingInvalid(
                    "While parsing a list in the query, expected a non-empty list of string values, but got"
                    " ill-formed list."
                )


def _identify(text: str, grammar: Grammar, attributes: tuple[str, ...]) -> tuple[str, str]:
    prefix, dot, rest = text.partition(".")
    if not dot or text[:1] in "`\"'":
        entity, key = ATTRIBUTE, text
    else:
        found = _ENTITIES.get(prefix)
        if found is None or found not in grammar.entities:
            if METRIC not in grammar.entities:
                raise TrackingInvalid(
                    f"Invalid entity type '{prefix}'. Valid entity types are ('attribute', 'tag', 'tags')"
                )
            raise TrackingInvalid(f"Invalid entity type '{prefix}'. Valid values are {list(grammar.entities)}")
        entity, key = found, rest
    if len(key) >= 2 and key[0] == key[-1] and key[0] in "`\"'":
        key = key[1:-1]
    if entity == ATTRIBUTE and key not in attributes:
        if "timestamp" in attributes:
            raise TrackingInvalid(f"Invalid order by key '{key}' specified. Valid keys are '{ {'name', 'timestamp'} }'")
        raise TrackingInvalid(f"Invalid attribute key '{key}' specified. Valid keys are '{set(attributes)}'")
    if entity == DATASET and key not in ("name", "digest", "context"):
        raise TrackingInvalid(
            f"Invalid dataset key '{key}' specified. Valid keys are '{ {'name', 'digest', 'context'} }'"
        )
    return entity, key


def _tokens(text: str) -> list[_Token]:
    made: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise TrackingInvalid(f"Invalid clause(s) in filter string: '{text[position:].strip()}'")
        made.append(_Token(match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return made


def _unquote(text: str) -> str:
    return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]
