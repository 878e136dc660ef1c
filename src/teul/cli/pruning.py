"""What the `prune` commands share: the question before, and the filters."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from teul.cli.context import Context


@dataclass(frozen=True, slots=True)
class PruneFilter:
    """`until=`, `label=` and `label!=` of Docker's prune commands; all that are given must hold.

    `until_s` is a time since 1970, 0 for none; labels are (name, value), value None asks for the name alone.
    """

    until_s: float = 0.0
    labels: tuple[tuple[str, str | None], ...] = ()
    without: tuple[tuple[str, str | None], ...] = ()
    is_all: bool = False

    @classmethod
    def parse(cls, words: Sequence[str], *, keys: Sequence[str] = ("until", "label", "label!")) -> PruneFilter:
        """Raises: InvalidInput: a filter that is none of *keys*, or a time that cannot be read."""
        until, is_all = 0.0, False
        labels: list[tuple[str, str | None]] = []
        without: list[tuple[str, str | None]] = []
        for word in words:
            key, equals, value = word.partition("=")
            if not equals:
                raise InvalidInput(text("invalid argument `{value}` for `--filter`: expected `name=value`", value=word))
            if key not in keys:
                raise InvalidInput(text("invalid filter '{key}'", key=key))
            name, equals, wanted = value.partition("=")
            if key == "until":
                from teul.cli.times import moment

                until = moment(value, now=time.time())
            elif key == "all":
                is_all = value.lower() in ("1", "true", "t")
            elif key == "label":
                labels.append((name, wanted if equals else None))
            else:
                without.append((name, wanted if equals else None))
        return cls(until, tuple(labels), tuple(without), is_all)

    def fits(self, labels: Mapping[str, str], created_at: float) -> bool:
        """Whether a thing with *labels* that was made at *created_at* is to go."""
        return (
            (not self.until_s or created_at < self.until_s)
            and all(_has(labels, *wanted) for wanted in self.labels)
            and not any(_has(labels, *wanted) for wanted in self.without)
        )

    def __bool__(self) -> bool:
        return self != PruneFilter()


def is_confirmed(context: Context, warning: str) -> bool:
    """Docker's question on stdout; yes is `y` or `yes`."""
    context.stdout.write(context.translate(warning) + ".\n")
    context.stdout.write(context.translate(text("Are you sure you want to continue? [y/N] ")))
    context.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _has(labels: Mapping[str, str], name: str, value: str | None) -> bool:
    return name in labels and (value is None or labels[name] == value)
