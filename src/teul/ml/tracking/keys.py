"""Keys: tokens for people and programs, each with a role in one project or in all. Shown once, kept as a hash.

A key is 32 random bytes, so a plain sha256 of it cannot be turned back (as in `tokens`).
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from teul.errors import InvalidInput, TrackingNotFound, text
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database

PREFIX = "teul_key_"
ROLES = ("read", "write", "admin")
USED_EVERY_MS = 60_000


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; times are milliseconds, *used_at* is 0 for never (it is exact to a minute)."""

    id: str
    name: str
    project: str
    role: str
    created_by: str
    created_at: int
    expires_at: int
    used_at: int

    @property
    def has_ended(self) -> bool:
        return self.expires_at < now_ms()


COLUMNS = "id, name, project, role, created_by, created_at, expires_at, used_at"


def issue(db: Database, name: str, *, role: str, project: str = "", ttl_s: float, who: str) -> tuple[str, Key]:
    """A new key, and what is known of it; this is the only time that it can be read. Raises: InvalidInput."""
    if role not in ROLES:
        raise InvalidInput(text("role `{role}`: expected read, write or admin", role=role))
    if not name or not name.isprintable():
        raise InvalidInput(text("a token needs a name that says whose it is"))
    token = PREFIX + secrets.token_urlsafe(32)
    now = now_ms()
    key = Key(uuid.uuid4().hex[:12], name, project, role, who, now, now + int(ttl_s * 1000), 0)
    with db.write():
        db.execute(
            f"INSERT INTO access_tokens(hash, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (_hash(token), key.id, name, project, role, who, now, key.expires_at, 0),
        )
    return token, key


def find(db: Database, token: str) -> Key | None:
    """The key that *token* is, or None for one that is unknown or has ended."""
    row = db.one(f"SELECT {COLUMNS} FROM access_tokens WHERE hash = ?", (_hash(token),))
    key = Key(*row) if row else None
    return None if key is None or key.has_ended else key


def is_worth_noting(key: Key) -> bool:
    """Whether it was last noted as used more than a minute ago."""
    return now_ms() - key.used_at > USED_EVERY_MS


def note_use(db: Database, key: Key) -> None:
    """Remember that it was used just now."""
    with db.write():
        db.execute("UPDATE access_tokens SET used_at = ? WHERE id = ?", (now_ms(), key.id))


def listed(db: Database) -> Sequence[Key]:
    """All of them, those that have ended too, oldest first."""
    return [Key(*row) for row in db.all(f"SELECT {COLUMNS} FROM access_tokens ORDER BY created_at, id")]


def remove(db: Database, wanted: str) -> Key:
    """End the key with this id, or the only one of this name. Raises: TrackingNotFound, InvalidInput."""
    with db.write():
        found = [key for key in listed(db) if key.id == wanted] or [key for key in listed(db) if key.name == wanted]
        if not found:
            raise TrackingNotFound(text("token `{name}` not found", name=wanted))
        if len(found) > 1:
            ids = ", ".join(key.id for key in found)
            raise InvalidInput(
                text("{count} tokens are called `{name}`: say which: {ids}", count=len(found), name=wanted, ids=ids)
            )
        db.execute("DELETE FROM access_tokens WHERE id = ?", (found[0].id,))
        return found[0]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
