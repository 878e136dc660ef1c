"""A registry's answers that are not what was asked for, as our errors. Must not send anything.

Spec: distribution-spec v1.1, "Error Codes".
"""

from __future__ import annotations

import email.utils
import json
import time

from teul.errors import Forbidden, NotFound, RegistryProtocolError, RegistryUnavailable, TeulError, Unauthorized, text
from teul.registry.transport import Response


def problem(response: Response, domain: str) -> TeulError:
    """The error for an unexpected *response*, whose body is read here."""
    said = _said(response.drain())
    status = response.status
    if status == 401:
        return Unauthorized(
            text("registry `{domain}`: authentication required: {said}", domain=domain, said=said or status),
            hint=text("docker login {domain}", domain=domain),
        )
    if status == 403:
        return Forbidden(text("registry `{domain}`: not allowed: {said}", domain=domain, said=said or status))
    if status == 404:
        return NotFound(text("registry `{domain}`: not found: {said}", domain=domain, said=said or status))
    if status in (408, 425, 429) or status >= 500:
        made = RegistryUnavailable(
            text("registry `{domain}`: answered {status}: {said}", domain=domain, status=status, said=said or "-")
        )
        made.retry_after_s = retry_after(response.headers.get("Retry-After", ""))
        return made
    return RegistryProtocolError(
        text("registry `{domain}`: answered {status}: {said}", domain=domain, status=status, said=said or "-")
    )


def retry_after(value: str, *, now: float | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for (a number or a date); None when it asks for nothing.

    Spec: RFC 9110 §10.2.3.
    """
    value = value.strip()
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        at = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError):
        return None
    return max(0.0, at - (time.time() if now is None else now))


def _said(body: bytes) -> str:
    """The registry's own words: `code: message` of each error, at most 300 characters of printable text."""
    try:
        errors = json.loads(body)["errors"]
        words = "; ".join(
            ": ".join(str(part) for part in (item.get("code"), item.get("message")) if part) for item in errors
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        words = ""
    return "".join(char if char.isprintable() else " " for char in words)[:300]
