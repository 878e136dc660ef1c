"""Page tokens: MLflow's form, base64 of `{"offset": N}`. Must not know what is paged."""

from __future__ import annotations

import base64
import binascii
import json

from teul.errors import TrackingInvalid


def token_of(offset: int) -> str:
    """The token of the page that begins at *offset*."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def offset_of(token: str) -> int:
    """Where a page begins; 0 for no token.

    Raises:
        TrackingInvalid: not a token of ours.
    """
    if not token:
        return 0
    try:
        decoded = base64.b64decode(token)
    except (binascii.Error, ValueError) as error:
        raise TrackingInvalid("Invalid page token, could not base64-decode") from error
    try:
        parsed = json.loads(decoded)
    except ValueError as error:
        raise TrackingInvalid(f"Invalid page token, decoded value={decoded!r}") from error
    offset = parsed.get("offset") if isinstance(parsed, dict) else None
    if not offset:
        raise TrackingInvalid(f"Invalid page token, parsed value={parsed}")
    try:
        number = int(offset)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < 2**63:
        raise TrackingInvalid(f"Invalid page token, not stringable {offset}")
    return number
