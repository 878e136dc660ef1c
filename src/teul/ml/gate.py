"""Gates: what a model must reach before it is served. Parsing and arithmetic only; no IO.

A gate compares metrics with numbers and with the metrics of the version that is in production::

    test.recall >= 0.55
    test.recall >= production - 0.01
    test.precision > 0.9 * production.test.precision
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from teul.errors import GateError, Text, text

PRODUCTION = "production"
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*(?:\.\w+)*)|(?P<sign>>=|<=|==|!=|[-+*/()<>])|(?P<end>$))"
)
_COMPARISONS = (">=", "<=", "==", "!=", ">", "<")


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by its dotted name, of the new version or of the one in production."""

    name: str
    is_production: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    sign: str
    left: Term
    right: Term


Term = Number | Metric | Arithmetic


@dataclass(frozen=True, slots=True)
class Gate:
    """One parsed gate; `str(gate)` is what the user wrote."""

    source: str
    left: Term
    comparison: str
    right: Term

    @classmethod
    def parse(cls, source: str) -> Gate:
        """Read *source*.

        gate       = sum comparison sum
        comparison = ">=" | ">" | "<=" | "<" | "==" | "!="
        sum        = product { ("+" | "-") product }
        product    = factor { ("*" | "/") factor }
        factor     = number | metric | "-" factor | "(" sum ")"
        metric     = "production" | [ "production." ] name
        name       = word { "." word }

        `production` alone is the same metric, as the version in production had it: the first that the gate names.

        Raises:
            GateError: with the place of what was not expected.
        """
        parser = _Parser(source)
        left = parser.parse_sum()
        if parser.value not in _COMPARISONS:
            raise parser.error(text("expected a comparison (`>=`, `>`, `<=`, `<`, `==`, `!=`)"))
        comparison = parser.take()
        right = parser.parse_sum()
        if parser.kind != "end":
            raise parser.error(text("expected the end of the gate"))
        first = next((name for name in _names(left) + _names(right) if not name.is_production), None)
        if first is None:
            raise GateError(text("gate `{gate}`: expected the name of a metric", gate=source), 0, len(source))
        return cls(source, _resolve(left, first.name), comparison, _resolve(right, first.name))

    def __str__(self) -> str:
        return self.source

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the new version's metrics that it needs."""
        return tuple(
            dict.fromkeys(item.name for item in _names(self.left) + _names(self.right) if not item.is_production)
        )

    @property
    def needs_production(self) -> bool:
        return any(item.is_production for item in _names(self.left) + _names(self.right))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate said. `reason` is for a person; `margin` is how far the left side is on the good side of the right
    (negative: by how much it failed; 0 for `==` and `!=`, None where nothing could be compared).
    """

    gate: str
    passed: bool
    reason: Text
    margin: float | None = None

    def to_json(self) -> dict[str, object]:
        return {"gate": self.gate, "passed": self.passed, "reason": str(self.reason), "margin": self.margin}


def evaluate(gate: Gate, metrics: Mapping[str, float], production: Mapping[str, float] | None) -> Verdict:
    """Judge *metrics* (dotted name → value). *production*: those of the version in production, None without one.

    A gate on production passes, and says so, when nothing is in production or it never had that metric; a metric of
    the new version that is missing or not a number fails.
    """
    for name in gate.metrics:
        if name not in metrics:
            close = difflib.get_close_matches(name, metrics, 1)
            return Verdict(
                gate.source,
                False,
                text("there is no metric `{name}`; did you mean `{close}`?", name=name, close=close[0])
                if close
                else text(
                    "there is no metric `{name}`; there are {names}",
                    name=name,
                    names=", ".join(sorted(metrics)) or "none",
                ),
            )
    if gate.needs_production:
        if production is None:
            return Verdict(gate.source, True, text("nothing is in production yet"))
        for item in _names(gate.left) + _names(gate.right):
            if item.is_production and item.name not in production:
                return Verdict(
                    gate.source, True, text("the version in production has no metric `{name}`", name=item.name)
                )
    try:
        left, right = _value(gate.left, metrics, production), _value(gate.right, metrics, production)
    except ZeroDivisionError:
        return Verdict(gate.source, False, text("division by zero"))
    if left != left or right != right:
        return Verdict(gate.source, False, text("a metric is not a number"))
    # 0.71 - 0.01 is 0.7000000000000001 less a bit in binary; a gate means the decimal numbers it is written with.
    is_equal = abs(left - right) <= 1e-12 * max(1.0, abs(left), abs(right))
    passed = {
        ">=": left > right or is_equal,
        ">": left > right,
        "<=": left < right or is_equal,
        "<": left < right,
        "==": left == right,
        "!=": left != right,
    }[gate.comparison]
    if gate.comparison in ("==", "!="):
        return Verdict(
            gate.source,
            passed,
            text("{left} against {right}", left=shown(left), right=shown(right)),
            0.0,
        )
    margin = left - right if gate.comparison[0] == ">" else right - left
    values = {"left": shown(left), "right": shown(right), "margin": shown(abs(margin))}
    if passed:
        return Verdict(gate.source, True, text("{left} against {right}: {margin} to spare", **values), margin)
    return Verdict(gate.source, False, text("{left} against {right}: missed by {margin}", **values), margin)


def flatten(value: object, prefix: str = "") -> dict[str, float]:
    """A metrics document as dotted names: `{"test": {"recall": 0.7}}` gives `test.recall`. What is no number is left out."""
    if isinstance(value, bool) or value is None:
        return {}
    if isinstance(value, int | float):
        return {prefix: float(value)} if prefix else {}
    if isinstance(value, Mapping):
        made: dict[str, float] = {}
        for name, item in value.items():
            made |= flatten(item, f"{prefix}.{name}" if prefix else str(name))
        return made
    return {}


def shown(value: float) -> str:
    """A metric as a person reads it: at most six digits after the point."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) < 1e9 else repr(value)


def _names(term: Term) -> list[Metric]:
    if isinstance(term, Arithmetic):
        return _names(term.left) + _names(term.right)
    return [term] if isinstance(term, Metric) else []


def _resolve(term: Term, name: str) -> Term:
    """Give a bare `production` the name of the metric that it stands beside."""
    if isinstance(term, Arithmetic):
        return Arithmetic(term.sign, _resolve(term.left, name), _resolve(term.right, name))
    return Metric(name, True) if isinstance(term, Metric) and term.is_production and not term.name else term


def _value(term: Term, metrics: Mapping[str, float], production: Mapping[str, float] | None) -> float:
    if isinstance(term, Number):
        return term.value
    if isinstance(term, Metric):
        return (production or {})[term.name] if term.is_production else metrics[term.name]
    left, right = _value(term.left, metrics, production), _value(term.right, metrics, production)
    if term.sign == "+":
        return left + right
    if term.sign == "-":
        return left - right
    return left * right if term.sign == "*" else left / right


class _Parser:
    """Tokens of one gate, with one of look-ahead (`kind`, `value`)."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.start = self.end = 0
        self.kind = self.value = ""
        self._depth = 0
        self._advance()

    def error(self, message: str) -> GateError:
        got = text("the end") if self.kind == "end" else self.value
        start = min(self.start, max(0, len(self.source) - 1))
        return GateError(
            text("gate `{gate}`: {message}, got `{got}`", gate=self.source, message=message, got=got)
            if self.kind != "end"
            else text("gate `{gate}`: {message}, got the end", gate=self.source, message=message),
            start,
            max(self.end, start + 1),
        )

    def take(self) -> str:
        value = self.value
        self._advance()
        return value

    def _advance(self) -> None:
        found = _TOKEN.match(self.source, self.end)
        if found is None:
            start = self.end + len(self.source[self.end :]) - len(self.source[self.end :].lstrip())
            sign = self.source[start]
            hint = text("a gate compares with `>=`, not `{sign}`", sign=sign) if sign in "=≥≤" else None
            raise GateError(
                text("gate `{gate}`: unexpected `{sign}`", gate=self.source, sign=sign), start, start + 1, hint=hint
            )
        self.kind = found.lastgroup or "end"
        self.value = found.group(self.kind)
        self.start, self.end = found.span(self.kind)

    def parse_sum(self) -> Term:
        left = self._parse_product()
        while self.value in ("+", "-"):
            left = Arithmetic(self.take(), left, self._parse_product())
        return left

    def _parse_product(self) -> Term:
        left = self._parse_factor()
        while self.value in ("*", "/"):
            left = Arithmetic(self.take(), left, self._parse_factor())
        return left

    def _parse_factor(self) -> Term:
        self._depth += 1
        if self._depth > 50:
            raise self.error(text("expected fewer nested terms"))
        try:
            if self.value == "-":
                self.take()
                return Arithmetic("-", Number(0.0), self._parse_factor())
            if self.value == "(":
                self.take()
                inner = self.parse_sum()
                if self.value != ")":
                    raise self.error(text("expected `)`"))
                self.take()
                return inner
            if self.kind == "number":
                return Number(float(self.take()))
            if self.kind == "name":
                name = self.take()
                head, _, rest = name.partition(".")
                return Metric(rest, True) if head == PRODUCTION else Metric(name)
            raise self.error(text("expected a metric or a number"))
        finally:
            self._depth -= 1
