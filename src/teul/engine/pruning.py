"""`container prune` and `image prune`: what nobody uses, narrowed by filters. (`system prune` is `engine.system`'s.)

Source: Docker's documentation, "docker container prune", "docker image prune".
"""

from __future__ import annotations

import time

from teul.errors import InvalidInput, NotFound, TeulError, text
from teul.runtime.logs import parse_time, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import dataclass

    from teul.engine import Engine
else:
    from teul.values import dataclass

_TRUE, _FALSE = ("1", "t", "true"), ("0", "f", "false")


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneFilter:
    """What may go. *until* is a time as the log writes it ("" for any); *dangling* False takes images with names too."""

    until: str = ""
    labels: tuple[str, ...] = ()
    without_labels: tuple[str, ...] = ()
    dangling: bool = True

    @classmethod
    def parse(cls, words: Sequence[str], *, known: Sequence[str] = ("until", "label", "label!")) -> PruneFilter:
        """`until=24h`, `label=a=b`, `label!=c`, `dangling=false`.

        Raises:
            InvalidInput: with Docker's words.
        """
        until, dangling = "", True
        labels: list[str] = []
        without: list[str] = []
        for word in words:
            key, equals, value = word.partition("=")
            if not equals:
                raise InvalidInput(
                    text(
                        "invalid argument `{value}` for `{flag}` flag: expected key=value", value=word, flag="--filter"
                    )
                )
            if key not in known:
                raise InvalidInput(text("invalid filter '{key}'", key=key))
            if key == "until":
                if until:
                    raise InvalidInput(text("more than one until filter specified"))
                until = parse_time(value, time.time())
            elif key == "dangling":
                if value.lower() not in (*_TRUE, *_FALSE):
                    raise InvalidInput(text("invalid filter 'dangling={value}'", value=value))
                dangling = value.lower() in _TRUE
            else:
                (labels if key == "label" else without).append(value)
        return cls(until=until, labels=tuple(labels), without_labels=tuple(without), dangling=dangling)

    def takes(self, created_at: float, labels: Mapping[str, str]) -> bool:
        """Whether something made at *created_at* (seconds since 1970) with *labels* may go."""
        if self.until and stamp(created_at) >= self.until:
            return False
        return all(_has(labels, word) for word in self.labels) and not any(
            _has(labels, word) for word in self.without_labels
        )


def _has(labels: Mapping[str, str], word: str) -> bool:
    name, equals, value = word.partition("=")
    return name in labels and (not equals or labels[name] == value)


def prune_containers(engine: Engine, wanted: PruneFilter) -> tuple[tuple[str, ...], int]:
    """Remove containers that do not run; returns their ids and the bytes they had written."""
    from teul.engine.containers import list_containers, remove

    removed: list[str] = []
    freed = 0
    for container in list_containers(engine, all=True):
        if container.status not in ("exited", "dead", "created"):
            continue
        if not wanted.takes(container.created_at, container.labels):
            continue
        try:
            size_bytes = engine.snapshots.usage_bytes(container.id)
            remove(engine, container.id)
        except NotFound:
            continue  # another prune was faster
        except TeulError:
            continue  # it has been started meanwhile
        removed.append(container.id)
        freed += size_bytes
    return tuple(removed), freed


def prune_images(engine: Engine, wanted: PruneFilter) -> tuple[tuple[str, ...], int]:
    """Remove images that no container uses, and layers that nothing needs then; returns Docker's lines and bytes freed."""
    from teul.engine.system import collect
    from teul.state import roots

    lines: list[str] = []
    # Within one transaction, so that nobody makes a container of an image that is about to go.
    with engine.db:
        owners = roots.containers(engine.db)
        used = {image for _, image, _ in owners}
        for image in engine.images.list():
            if image.id in used or any(image.id in data for _, _, data in owners):
                continue
            if (image.names and wanted.dangling) or not wanted.takes(image.created_at, image.config.config.labels):
                continue
            lines += [f"untagged: {name.familiar}" for name in image.names]
            lines += [f"untagged: {digest}" for digest in image.repo_digests if image.names]
            engine.images.remove(image.id)
            lines.append(f"deleted: {image.id}")
    reclaimed = collect(engine) if lines else None
    if reclaimed is not None:
        lines += [f"deleted: {layer}" for layer in reclaimed.layers]
    return tuple(lines), 0 if reclaimed is None else reclaimed.size_bytes
