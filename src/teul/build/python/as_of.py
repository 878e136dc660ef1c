"""`--as-of DATE`: the day whose packages are meant, from a word or from a comment of the Dockerfile. Pure."""

from __future__ import annotations

from teul.errors import InvalidInput, text


def parse_as_of(word: str) -> str:
    """The time (RFC 3339, UTC) before which a file must have been uploaded: a day counts whole.

    Raises:
        InvalidInput: neither a date nor a time with its zone.
    """
    from datetime import UTC, datetime, timedelta

    try:
        if len(word) == 10:
            moment = datetime.fromisoformat(word).replace(tzinfo=UTC) + timedelta(days=1)
        else:
            moment = datetime.fromisoformat(word)
            if moment.tzinfo is None:
                raise ValueError(word)
    except (ValueError, OverflowError):
        raise InvalidInput(text("as of `{value}`: expected a date such as 2024-05-15", value=word)) from None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_of_comment(source: str) -> str:
    """The word of a comment `# teul: as-of=DATE` before the first instruction, "" without one."""
    for line in source.removeprefix("\ufeff").splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            return ""
        name, equals, value = stripped[1:].strip().partition("=")
        if equals and "".join(name.lower().split()) == "teul:as-of" and value.strip():
            return value.strip()
    return ""


def as_day(moment: str) -> str:
    """The last day that counts, for people: 2024-05-16T00:00:00Z is 2024-05-15."""
    from datetime import datetime, timedelta

    return (datetime.fromisoformat(moment) - timedelta(seconds=1)).strftime("%Y-%m-%d")
