"""A solver's cache in memory. Passes the same suite as the one in SQLite."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class MemoryCache:
    """Forgets everything with the process."""

    def __init__(self) -> None:
        self.results: dict[str, str] = {}
        self.rows: dict[str, dict[str, str]] = {}

    def find(self, key: str) -> Mapping[str, Any] | None:
        found = self.results.get(key)
        return None if found is None else dict(json.loads(found))

    def put(self, key: str, vertex: str, name: str, result: Mapping[str, Any]) -> None:
        self.results[key] = json.dumps(result)

    def explained_keys(self, scope: str) -> Mapping[str, str]:
        return {place: str(json.loads(row)["key"]) for place, row in self.rows.get(scope, {}).items()}

    def explained(self, scope: str) -> Mapping[str, Mapping[str, Any]]:
        return {place: json.loads(row) for place, row in self.rows.get(scope, {}).items()}

    def explain(self, scope: str, rows: Mapping[str, Mapping[str, Any]], *, gone: Sequence[str] = ()) -> None:
        kept = self.rows.setdefault(scope, {})
        for place in gone:
            kept.pop(place, None)
        kept.update({place: json.dumps(row) for place, row in rows.items()})
