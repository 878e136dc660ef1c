"""A container's log as its monitor wrote it: one line a record, `TIME STREAM P|F TEXT`; P is a part of a line.

Reading never waits; following does, until the container has ended and all is read.

Source: the Kubernetes container runtime interface's log format, which conmon calls `k8s-file`.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from dataclasses import dataclass
else:
    from teul.values import dataclass

BLOCK_BYTES = 1 << 16
FOLLOW_INTERVAL_S = 0.05


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line, or a part of one; `data` ends with a line feed unless the container has not written one (yet).

    `stream` is "stdout" or "stderr"; `time` is RFC 3339 with nanoseconds, in UTC.
    """

    stream: str
    time: str
    data: bytes


def parse_record(record: bytes) -> LogLine | None:
    """One line of the file, without its line feed; None when it is not one (a crash can cut the last)."""
    fields = record.split(b" ", 3)
    if len(fields) != 4 or fields[1] not in (b"stdout", b"stderr") or fields[2] not in (b"F", b"P"):
        return None
    stamp = fields[0].decode(errors="replace")
    if stamp.endswith("+00:00"):
        stamp = stamp[:-6] + "Z"
    return LogLine(fields[1].decode(), stamp, fields[3] + (b"\n" if fields[2] == b"F" else b""))


def read_log(
    path: str,
    *,
    follow: bool = False,
    tail: int | None = None,
    since: str = "",
    until: str = "",
    has_ended: Callable[[], bool] | None = None,
) -> Iterator[LogLine]:
    """The records of the log at *path*; nothing when there is none.

    Args:
        tail: only the last so many lines (of both streams together); None is all.
        since, until: RFC 3339 in UTC with nanoseconds, as in the log; compared as text.
        has_ended: asked while following; when it says yes, what is there is read and the iteration ends.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if tail is not None:
            os.lseek(descriptor, _tail_offset(descriptor, tail), os.SEEK_SET)
        rest = b""
        while True:
            # Asked before the read: what was written before the end is then surely read.
            over = not follow or has_ended is None or has_ended()
            while data := os.read(descriptor, BLOCK_BYTES):
                rest += data
                *records, rest = rest.split(b"\n")
                for record in records:
                    line = parse_record(record)
                    if line is None or (since and line.time < since):
                        continue
                    if until and line.time > until:
                        return
                    yield line
            if over:
                return
            if _was_replaced(descriptor, path):
                return
            time.sleep(FOLLOW_INTERVAL_S)
    finally:
        os.close(descriptor)


def stamp(seconds: float) -> str:
    """A time as it stands in the log, for comparison."""
    whole = int(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((seconds - whole) * 1e9):09d}Z"


def parse_time(value: str, now: float) -> str:
    """`--since` and `--until` as the log's time: a duration before *now* (`10m`, `1h30m`), RFC 3339, or seconds.

    Raises:
        InvalidInput: none of these.
    """
    from teul.errors import InvalidInput, text

    number = value.strip()
    if number.replace(".", "", 1).isdigit():
        return stamp(float(number))
    seconds, word, units = 0.0, "", {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}
    rest = number
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        word = rest[: len(rest) - len(rest.lstrip("hmsun"))]
        rest = rest[len(word) :]
        if not digits or word not in units:
            break
        seconds += float(digits) * units[word]
    else:
        if number:
            return stamp(now - seconds)
    try:
        import datetime

        parsed = datetime.datetime.fromisoformat(number)
    except ValueError:
        raise InvalidInput(text("invalid time `{value}`: expected a time or a duration", value=value)) from None
    return stamp(parsed.astimezone(datetime.UTC).timestamp())


def _tail_offset(descriptor: int, lines: int) -> int:
    """Where the last *lines* lines begin; a line in several partial records is one."""
    if lines <= 0:
        return os.fstat(descriptor).st_size
    count = 0
    is_last = True
    for end, record in _backwards(descriptor):
        if is_last or _is_full(record):
            count += 1
            if count > lines:
                return end
        is_last = False
    return 0


def _backwards(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """The records from the last to the first, each with the position behind it."""
    position = os.fstat(descriptor).st_size
    data = b""
    while data or position:
        start = data.rfind(b"\n", 0, max(len(data) - 1, 0)) + 1
        if start == 0 and position:
            step = min(BLOCK_BYTES, position)
            position -= step
            data = os.pread(descriptor, step, position) + data
            continue
        yield position + len(data), data[start:]
        data = data[:start]


def _is_full(record: bytes) -> bool:
    fields = record.split(b" ", 3)
    return len(fields) == 4 and fields[2] == b"F"


def _was_replaced(descriptor: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except OSError:
        return True
    here = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)
