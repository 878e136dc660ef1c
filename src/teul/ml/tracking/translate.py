"""Errors as MLflow's clients expect them: family → error code and HTTP status. The only such table.

Statuses that MLflow's client sends again by itself (408, 429, 500, 502, 503, 504) are used only where another try may
help, except where MLflow itself answers 500.
"""

from __future__ import annotations

from teul.errors import (
    AlreadyExists,
    Conflict,
    Corrupt,
    Forbidden,
    InvalidInput,
    NotFound,
    TeulError,
    TrackingState,
    Unauthorized,
    Unavailable,
    Unsupported,
)

CODES: tuple[tuple[type[TeulError], str, int], ...] = (
    (NotFound, "RESOURCE_DOES_NOT_EXIST", 404),
    (AlreadyExists, "RESOURCE_ALREADY_EXISTS", 400),
    (InvalidInput, "INVALID_PARAMETER_VALUE", 400),
    (TrackingState, "INVALID_STATE", 500),
    (Conflict, "RESOURCE_CONFLICT", 409),
    (Unauthorized, "UNAUTHENTICATED", 401),
    (Forbidden, "PERMISSION_DENIED", 403),
    (Unavailable, "TEMPORARILY_UNAVAILABLE", 503),
    (Unsupported, "NOT_IMPLEMENTED", 501),
    (Corrupt, "DATA_LOSS", 500),
)
NO_SPACE = 507


def to_answer(error: BaseException) -> tuple[int, dict[str, str]]:
    """HTTP status and body of *error*; one that is not ours says nothing of what happened inside."""
    if isinstance(error, TeulError):
        message = str(error.message) + (f" (hint: {error.hint})" if error.hint else "")
        if isinstance(error, Unavailable) and error.retry_after_s is not None:
            return 429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": message}
        for kind, code, status in CODES:
            if isinstance(error, kind):
                return status, {"error_code": code, "message": message}
    if isinstance(error, OSError) and error.errno in (28, 122):
        return NO_SPACE, {"error_code": "RESOURCE_EXHAUSTED", "message": "no space left on the server's disk"}
    return 500, {"error_code": "INTERNAL_ERROR", "message": "Internal server error"}
