"""What an image is made of, by its digest: kept as it was first told, whatever becomes of the image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database


def keep(db: Database, image: str, data: Mapping[str, Any]) -> None:
    """Idempotent: a digest says the same for ever."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    with db.write():
        db.execute("INSERT INTO environments VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (image, text, now_ms()))


def find(db: Database, image: str) -> dict[str, Any] | None:
    """What was kept, or None."""
    row = db.one("SELECT data FROM environments WHERE image = ?", (image,))
    if row is None:
        return None
    found: dict[str, Any] = json.loads(row[0])
    return found
