"""Times as Docker prints them. These stay English in every language: scripts read them."""

from __future__ import annotations

from teul.cli.units import human_age


def seconds_of(stamp: str) -> float | None:
    """An RFC 3339 time as seconds since 1970; None when it is none."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return None


def age_of(stamp: str, *, now: float | None = None) -> str:
    """`2 minutes ago` from an RFC 3339 time; "N/A" from none."""
    import time

    at = seconds_of(stamp)
    return "N/A" if at is None else human_age((time.time() if now is None else now) - at)


def local_time(seconds: float) -> str:
    """As Go prints a time: `2026-11-20 12:15:00 +0000 UTC`."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


def moment(value: str, *, now: float) -> float:
    """A time as Docker's filters take it (a duration before *now*, RFC 3339, seconds) as seconds since 1970.

    Raises:
        InvalidInput: none of these.
    """
    from teul.runtime.logs import parse_time

    return seconds_of(parse_time(value, now)) or 0.0
