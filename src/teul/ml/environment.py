"""What an image is made of, kept beside the runs that used it: layers with what made them, and packages by version.

Kept by image digest in the tracking database, so that two runs can be compared when their images are long gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from teul.errors import ImageNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from teul.engine import Engine
    from teul.engine.images.packages import Package
    from teul.ml.tracking import TrackingStore


@dataclass(frozen=True, slots=True)
class Environment:
    """*layers* are (diff id, what made it), bottom first; *packages* are (kind, name, version, layer, place);
    *settings* is what the image says besides its files (`env PATH`, `user`, `working dir` …).
    """

    image: str
    layers: tuple[tuple[str, str], ...]
    packages: tuple[tuple[str, str, str, str, str], ...]
    settings: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return {
            "image": self.image,
            "layers": [list(layer) for layer in self.layers],
            "packages": [list(package) for package in self.packages],
            "settings": dict(self.settings),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Environment:
        return cls(
            value["image"],
            tuple((str(diff_id), str(words)) for diff_id, words in value["layers"]),
            tuple((str(k), str(n), str(v), str(layer), str(p)) for k, n, v, layer, p in value["packages"]),
            value["settings"],
        )


def of(engine: Engine, image: str) -> Environment:
    """Read the image *image*. Raises: ImageNotFound."""
    from teul.engine.images.packages import packages

    found = engine.images.get(image)
    config = found.config
    words = [line.created_by for line in config.history if not line.empty_layer]
    words += [""] * (len(config.diff_ids) - len(words))
    settings = {f"env {name}": value for name, _, value in (item.partition("=") for item in config.config.env)}
    settings |= {
        "platform": str(config.platform),
        "user": config.config.user,
        "working dir": config.config.working_dir,
        "entrypoint": " ".join(config.config.entrypoint or ()),
        "command": " ".join(config.config.command or ()),
    }
    return Environment(
        str(found.id),
        tuple(
            (str(diff_id), " ".join(line.split())[:500]) for diff_id, line in zip(config.diff_ids, words, strict=False)
        ),
        tuple(_row(package) for package in packages(engine, str(found.id))),
        {name: value for name, value in settings.items() if value},
    )


def _row(package: Package) -> tuple[str, str, str, str, str]:
    return package.kind, package.name, package.version, package.layer, package.place


def remember(engine: Engine, tracking: TrackingStore, image: str) -> None:
    """Keep what *image* (an id) is made of, unless it is known already or the image is not here."""
    if tracking.environment(image) is None:
        try:
            tracking.keep_environment(image, of(engine, image).to_json())
        except ImageNotFound:
            return


def find(tracking: TrackingStore, image: str, engine: Engine | None = None) -> Environment | None:
    """What is known of *image*; when nothing is, it is read from the image itself where it is still here."""
    known = tracking.environment(image) if image else None
    if known is not None:
        return Environment.from_json(known)
    if engine is None or not image:
        return None
    try:
        return of(engine, image)
    except ImageNotFound:
        return None
