"""`Mount`: the one value that snapshots, volumes and devices emit and that bundles and the host consume.

Spec: runtime-spec v1.1 config.md, "Mounts".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """A filesystem to be mounted. `target` is absolute in the container, or "" when only the caller knows it.

    For type `overlay` the options carry `lowerdir=` (upper-most first, `:`-separated), `upperdir=` and `workdir=`.
    """

    type: str
    source: str
    target: str = ""
    options: tuple[str, ...] = ()

    def at(self, target: str) -> Mount:
        """The same mount at another place."""
        return Mount(self.type, self.source, target, self.options)

    def to_json(self) -> dict[str, object]:
        return {"destination": self.target, "type": self.type, "source": self.source, "options": list(self.options)}
