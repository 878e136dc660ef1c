"""What a chart is: series of points, and axes with round numbers. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

COLOURS = ("#3465a4", "#c4612d", "#3a8a4d", "#8f4e9e", "#b8922e", "#2a8f9c", "#b3446c", "#6b6f76")
"""Told apart in print and by most who see colours otherwise; a ninth series begins anew."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: (x, y) in the order in which they are joined. Points that are not finite are left out."""

    name: str
    points: tuple[tuple[float, float], ...]

    @property
    def finite(self) -> tuple[tuple[float, float], ...]:
        return tuple((x, y) for x, y in self.points if math.isfinite(x) and math.isfinite(y))


@dataclass(frozen=True, slots=True)
class Chart:
    """Several series over one pair of axes."""

    title: str
    series: tuple[Series, ...]
    x_label: str = "step"

    @property
    def is_empty(self) -> bool:
        return not any(item.finite for item in self.series)

    def x_axis(self, ticks: int = 6) -> Axis:
        return Axis.around([x for item in self.series for x, _ in item.finite], ticks=ticks)

    def y_axis(self, ticks: int = 5) -> Axis:
        return Axis.around([y for item in self.series for _, y in item.finite], ticks=ticks)


@dataclass(frozen=True, slots=True)
class Axis:
    """From *low* to *high*, with round numbers between them at *ticks*."""

    low: float
    high: float
    ticks: tuple[float, ...]

    @classmethod
    def around(cls, values: Sequence[float], *, ticks: int) -> Axis:
        """The axis that holds all *values* (finite; none gives 0 to 1) with about so many ticks.

        Source: Heckbert, "Nice numbers for graph labels", Graphics Gems (1990): steps of 1, 2 or 5 times a power of ten.
        """
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        if low == high:
            around = abs(low) * 0.05 or 0.5
            low, high = low - around, high + around
        step = _nice((high - low) / max(ticks - 1, 1))
        if not math.isfinite(step) or step <= 0:
            return cls(low, high, (low, high))
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return cls(low, high, tuple(number * step for number in range(first, last + 1)))

    def share(self, value: float) -> float:
        """Where *value* lies, from 0 (low) to 1 (high)."""
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def label(self, value: float) -> str:
        """*value* as a tick says it: no more digits than tell the ticks apart."""
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 1.0
        if value != 0 and (abs(value) >= 1e6 or abs(value) < 1e-4):
            return f"{value:.3g}"
        digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
        return f"{value:.{min(digits, 8)}f}"


def _nice(rough: float) -> float:
    if rough <= 0 or not math.isfinite(rough):
        return math.nan
    power: float = 10.0 ** math.floor(math.log10(rough))
    share = rough / power
    return power * (1 if share <= 1 else 2 if share <= 2 else 5 if share <= 5 else 10)


def thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most about *most* points with the same outline: of each stretch the lowest, the highest and the last."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / max(most // 3, 1))
    made: list[tuple[float, float]] = [points[0]]
    for start in range(0, len(points), size):
        part = points[start : start + size]
        chosen = {
            min(range(len(part)), key=lambda i: part[i][1]),
            max(range(len(part)), key=lambda i: part[i][1]),
            len(part) - 1,
        }
        made += [part[i] for i in sorted(chosen)]
    return made
