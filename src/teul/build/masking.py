"""Secrets in what a process writes: they are starred before anybody sees them. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SHORTEST = 8
"""Bytes; a shorter word is too likely to be part of something innocent."""
STARS = b"***"


class Mask:
    """Stars the *secrets*, whole and line by line, in streams that come in pieces."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        words = {word.strip() for secret in secrets for word in (secret, *secret.splitlines())}
        self._words = sorted((word for word in words if len(word) >= SHORTEST), key=lambda word: (-len(word), word))
        self._kept: dict[str, bytes] = {}

    def feed(self, stream: str, data: bytes) -> bytes:
        """What may be shown now; the end is kept back as long as it may be the beginning of a secret."""
        data = self._kept.pop(stream, b"") + data
        for word in self._words:
            data = data.replace(word, STARS)
        begun = max((_begun(data, word) for word in self._words), default=0)
        if begun:
            self._kept[stream] = data[-begun:]
            data = data[:-begun]
        return data

    def rest(self) -> list[tuple[str, bytes]]:
        """What was kept back when the streams end, by stream."""
        kept = list(self._kept.items())
        self._kept.clear()
        return kept


def _begun(data: bytes, word: bytes) -> int:
    """How many bytes at the end of *data* are the beginning of *word*."""
    return next((size for size in range(min(len(word) - 1, len(data)), 0, -1) if data.endswith(word[:size])), 0)
