"""A container's log as its monitor wrote it: one line a record, `TIME STREAM P|F TEXT`; P is a part of a line.

Reading never waits; following does, until the container has ended and all is read.

Source: the Kubernetes container runtime interface's log format, which conmon calls `k8s-file`.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from dataclasses import dataclass
else:
    from teul.values import dataclass

BLOCK_BYTES = 1 << 16
FOLLOW_INTERVAL_S = 0.05
_MINUTES: dict[str, str] = {}
"""The last minute that was translated to UTC."""


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
    return LogLine(
        fields[1].decode(),
        _in_utc(fields[0].decode(errors="replace")),
        fields[3] + (b"\n" if fields[2] == b"F" else b""),
    )


def _in_utc(stamp: str) -> str:
    """The monitor writes the host's own time, with its distance from UTC."""
    if stamp.endswith("+00:00"):
        return stamp[:-6] + "Z"
    if stamp.endswith("Z") or len(stamp) < 26:
        return stamp
    # The seconds and their fraction are the same everywhere; the rest is found out once a minute.
    key = stamp[:16] + stamp[-6:]
    if key not in _MINUTES:
        import datetime

        try:
            found = datetime.datetime.fromisoformat(key).astimezone(datetime.UTC)
        except ValueError:
            return stamp
        _MINUTES.clear()
        _MINUTES[key] = found.strftime("%Y-%m-%dT%H:%M")
    return _MINUTES[key] + stamp[16:-6] + "Z"


def read_log(
    path: str,
    *,
    follow: bool = False,
    tail: int | None = None,
    since: str = "",
    until: str = "",
    has_ended: Callable[[], bool] | None = None,
) -> Iterator[LogLine]:
    """The records of the log at *path* and of the turned ones beside it (`path.1` …), oldest first.

    Args:
        tail: only the last so many lines (of both streams together); None is all.
        since, until: RFC 3339 in UTC with nanoseconds, as in the log; compared as text.
        has_ended: asked while following; when it says yes, what is there is read and the iteration ends.
    """
    queue = _opened(path)
    try:
        rest = b""
        # Who does not follow wants what is there now, not all that a loud container writes while we read.
        ends = {descriptor: os.fstat(descriptor).st_size for descriptor in queue}
        if tail is not None:
            _skip_to_tail(queue, tail, ends)
        while True:
            # Asked before the read: what was written before the end is then surely read.
            over = not follow or has_ended is None or has_ended()
            while queue:
                # So is whether the monitor writes elsewhere by now.
                is_last = len(queue) == 1
                if is_last and follow:
                    queue += _newer(path, queue[0])
                    is_last = len(queue) == 1
                while data := _read_until(queue[0], None if follow else ends.get(queue[0])):
                    rest += data
                    *records, rest = rest.split(b"\n")
                    for record in records:
                        line = parse_record(record)
                        if line is None or (since and line.time < since):
                            continue
                        if until and line.time > until:
                            return
                        yield line
                if is_last:
                    break
                os.close(queue.pop(0))
                rest = b""
            if over:
                return
            time.sleep(FOLLOW_INTERVAL_S)
            if not queue:
                queue = _opened(path)
    finally:
        for descriptor in queue:
            os.close(descriptor)


def _read_until(descriptor: int, end: int | None) -> bytes:
    """The next block, of the file's first *end* bytes; empty when there is none."""
    if end is None:
        return os.read(descriptor, BLOCK_BYTES)
    return os.read(descriptor, max(min(BLOCK_BYTES, end - os.lseek(descriptor, 0, os.SEEK_CUR)), 0))


def log_files(path: str) -> list[str]:
    """The files of the log at *path* that are there, oldest first: `log.2`, `log.1`, `log`."""
    folder, name = os.path.split(path)
    numbers = []
    for entry in os.listdir(folder):
        number = entry.removeprefix(f"{name}.")
        if number != entry and number.isdigit():
            numbers.append(int(number))
    made = [f"{path}.{number}" for number in sorted(numbers, reverse=True)]
    return [*made, path] if os.path.exists(path) else made


def _opened(path: str) -> list[int]:
    """Descriptors of the log's files, oldest first. Opened newest first: one that is turned meanwhile is met again."""
    return _newer(path, -1)


def _newer(path: str, last: int) -> list[int]:
    """Descriptors of the files that came after the one at descriptor *last*, oldest first; of all, when it is gone."""
    made: list[int] = []
    seen = set()
    known = _identity(last) if last != -1 else None
    number = 0
    while True:
        try:
            descriptor = os.open(path if not number else f"{path}.{number}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            # Between being turned and being opened anew there is no file without a number.
            if number:
                break
            number += 1
            continue
        identity = _identity(descriptor)
        if identity == known:
            os.close(descriptor)
            break
        if identity in seen:
            os.close(descriptor)
        else:
            seen.add(identity)
            made.append(descriptor)
        number += 1
    made.reverse()
    return made


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


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


def _skip_to_tail(queue: list[int], lines: int, ends: Mapping[int, int]) -> None:
    """Leave in *queue* what the last *lines* lines before *ends* are in, at their beginning.

    A line in several partial records is one.
    """
    count = 0
    is_last = True
    for index in range(len(queue) - 1, -1, -1):
        if lines <= 0:
            os.lseek(queue[index], ends[queue[index]], os.SEEK_SET)
            continue
        for end, record in _backwards(queue[index], ends[queue[index]]):
            if is_last or _is_full(record):
                count += 1
                if count > lines:
                    os.lseek(queue[index], end, os.SEEK_SET)
                    for descriptor in queue[:index]:
                        os.close(descriptor)
                    del queue[:index]
                    return
            is_last = False


def _backwards(descriptor: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The records from the last before *end* to the first, each with the position behind it."""
    position = end
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
