"""Sizes, durations and ages in Docker's words. These stay English in every language: scripts read them.

Source: github.com/docker/go-units, size.go and duration.go.
"""

from __future__ import annotations

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def human_size(size_bytes: float, *, digits: int = 3) -> str:
    """Bytes in powers of ten with *digits* significant digits: `1.05GB`, `77.8MB`, `0B`."""
    return _scaled(size_bytes, 1000, _DECIMAL, digits)


def human_memory(size_bytes: float, *, digits: int = 4) -> str:
    """Bytes in powers of two, as Docker shows memory: `7.752GiB`."""
    return _scaled(size_bytes, 1024, _BINARY, digits)


def _scaled(value: float, base: int, names: tuple[str, ...], digits: int) -> str:
    step = 0
    # Rounding must not carry over the unit's end: 999.96 kB is 1MB, not 1e+03kB.
    while step < len(names) - 1 and float(f"{value:.{digits}g}") >= base:
        value /= base
        step += 1
    shown = f"{value:.{digits}g}"
    if "e" in shown:
        shown = f"{float(shown):.0f}"
    return shown + names[step]


def human_duration(seconds: float) -> str:
    """`Less than a second`, `7 seconds`, `About a minute`, `3 hours`, `2 weeks` …"""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = int(seconds / 60)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, length, name in ((48, 1, "hours"), (24 * 14, 24, "days"), (24 * 60, 168, "weeks")):
        if hours < limit:
            return f"{hours // length} {name}"
    if hours < 24 * 365 * 2:
        return f"{hours // (24 * 30)} months"
    return f"{hours // (24 * 365)} years"


def human_age(seconds: float) -> str:
    """`2 minutes ago`."""
    return f"{human_duration(seconds)} ago"


def elapsed(seconds: float) -> str:
    """BuildKit's form for steps: `0.0s`, `12.3s`, `83.1s`."""
    return f"{seconds:.1f}s"
