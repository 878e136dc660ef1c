"""What a build remembers and looks up: this machine's results, and those of imported caches."""

from __future__ import annotations

from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from teul.engine.build.cache_import import ImportedCache
    from teul.state.cache import SolverCache


class BuildCache:
    """The solver's cache of one build: what this machine knows, then what was imported (remembered when found).

    *foreseen* are results that follow from the op alone, so nothing has to run to know them.
    """

    def __init__(self, local: SolverCache, has: Callable[[Sequence[Digest]], bool], *, is_trial: bool = False) -> None:
        """*is_trial*: what is put goes no further than this build."""
        self._local = local
        self._trial: dict[str, Mapping[str, Any]] | None = {} if is_trial else None
        self.foreseen: Mapping[str, Mapping[str, Any]] = {}
        self._has = has
        self.imported: ImportedCache | None = None
        self.explained_keys = local.explained_keys
        self.explained = local.explained
        self.explain = local.explain

    def put(self, key: str, vertex: str, name: str, result: Mapping[str, Any]) -> None:
        """See `teul.solver.Cache`."""
        if self._trial is not None:
            self._trial[key] = result
        else:
            self._local.put(key, vertex, name, result)

    def find(self, key: str) -> Mapping[str, Any] | None:
        """See `teul.solver.Cache`."""
        if key in self.foreseen:
            return self.foreseen[key]
        if self._trial is not None and key in self._trial:
            return self._trial[key]
        found = self._local.find(key)
        offered = self.imported.records.get(key) if self.imported is not None else None
        if offered is None:
            return found
        if found is not None and self._is_here(found):
            return found
        self._local.put(key, "", "", offered)
        return offered

    def _is_here(self, result: Mapping[str, Any]) -> bool:
        stack = result["data"].get("diff_ids")
        return stack is None or self._has([Digest(item) for item in stack])
