"""Tokens for containers: one run each, kept as a hash, with an end.

A token is 32 random bytes, so a plain sha256 of it cannot be turned back; the hash is the key it is looked up by, which
takes the same time whatever an attacker guesses.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from teul.ml.tracking import runs
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database

PREFIX = "teul_run_"
DEFAULT_TTL_S = 7 * 24 * 3600


def issue(db: Database, run_id: str, *, ttl_s: float = DEFAULT_TTL_S) -> str:
    """A new token for *run_id*; this is the only time that it can be read. Raises: TrackingNotFound."""
    token = PREFIX + secrets.token_urlsafe(32)
    now = now_ms()
    with db.write():
        runs.check_exists(db, run_id)
        db.execute("DELETE FROM tokens WHERE expires_at < ?", (now,))
        db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?)", (_hash(token), run_id, now, now + int(ttl_s * 1000)))
    return token


def revoke(db: Database, run_id: str) -> None:
    """Every token of *run_id* ends now. Idempotent."""
    with db.write():
        db.execute("DELETE FROM tokens WHERE run_id = ?", (run_id,))


def run_of(db: Database, token: str) -> str | None:
    """The run that *token* speaks for, or None for one that is unknown or has ended."""
    wanted = _hash(token)
    row = db.one("SELECT hash, run_id, expires_at FROM tokens WHERE hash = ?", (wanted,))
    if row is None or not hmac.compare_digest(row[0], wanted) or row[2] < now_ms():
        return None
    run_id: str = row[1]
    return run_id


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
