"""The bill of materials of an image that is here."""

from __future__ import annotations

from teul.engine.images.packages import packages
from teul.errors import InvalidInput, text
from teul.images.sbom import cyclonedx, spdx

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from teul.engine import Engine

KINDS = ("cyclonedx-json", "spdx-json")


def bill(engine: Engine, name: str, kind: str) -> dict[str, Any]:
    """A document about the image *name*; the same image gives the same document on every machine.

    Args:
        kind: "cyclonedx-json" (CycloneDX 1.6) or "spdx-json" (SPDX 2.3).
    Raises:
        ImageNotFound.
        InvalidInput: another kind.
    """
    if kind not in KINDS:
        raise InvalidInput(
            text("bill of materials: expected one of {known}, got `{kind}`", known=", ".join(KINDS), kind=kind)
        )
    image = engine.images.get(name)
    found = packages(engine, name)
    described = tuple(sorted({item.described for item in found}))
    created = image.config.created or "1970-01-01T00:00:00Z"
    digest = str(image.id)
    if kind == "spdx-json":
        return spdx(described, name=image.name, digest=digest, created=_to_the_second(created))
    layers = {item.described: item.layer for item in found}
    return cyclonedx(described, name=image.name, digest=digest, created=created, layers=layers)


def _to_the_second(created: str) -> str:
    """SPDX wants `YYYY-MM-DDThh:mm:ssZ` and no fractions (SPDX 2.3, 6.9)."""
    return created[:19] + "Z"
