"""What uv and virtualenv write down of an installation that is another at each build. Must not change what was installed."""

from __future__ import annotations

import base64
import hashlib
import json
import os

LIMIT_BYTES = 16 << 20


def normalise_note(path: bytes, epoch: int) -> None:
    """Make constant what a note, or the `RECORD` that it stands for, says.

    Args:
        path: a new `*.dist-info/uv_cache.json`, or virtualenv's marker `NAME-VERSION.virtualenv`.
        epoch: seconds since 1970.
    """
    if path.endswith(b".virtualenv"):
        _sort_record(path.removesuffix(b".virtualenv") + b".dist-info/RECORD")
    else:
        _date(path, epoch)


def _sort_record(record: bytes) -> None:
    """Sort the rows without a digest. virtualenv adds one for each file that it compiled, as a set gives them, and ends
    the last line or not.
    """
    data = _read(record)
    lines = data.splitlines(keepends=True)
    rows = [line.rstrip(b"\r\n") for line in lines]
    ends = [line[len(row) :] for line, row in zip(lines, rows, strict=True)]
    places = [index for index, row in enumerate(rows) if row.endswith(b",,")]
    for index, row in zip(places, sorted(rows[index] for index in places), strict=True):
        rows[index] = row
    _write(record, data, b"".join(row + end for row, end in zip(rows, ends, strict=True)))


def _date(path: bytes, epoch: int) -> None:
    """Give the times in uv's note of a local project the constant one, and the note its new line in `RECORD`.

    They are times of change (`st_ctime`), which no image carries to another machine: there uv takes the project for one
    that has changed, whatever built the image. With this it does so on the machine that built it, too.
    """
    data = _read(path)
    try:
        note = json.loads(data)
        dated = _with_time(note, epoch)
    except (ValueError, RecursionError):
        return
    if dated == note:
        return
    made = json.dumps(dated, separators=(",", ":"), ensure_ascii=False).encode()
    _write(path, data, made)
    record = os.path.dirname(path) + b"/RECORD"
    rows = _read(record)
    _write(record, rows, rows.replace(_recorded(data), _recorded(made)))


def _with_time(note: object, epoch: int) -> object:
    """A value of JSON in which every time of uv's, seconds and nanoseconds, is *epoch*."""
    if isinstance(note, list):
        return [_with_time(value, epoch) for value in note]
    if not isinstance(note, dict):
        return note
    if note.keys() == {"secs_since_epoch", "nanos_since_epoch"}:
        return {"secs_since_epoch": epoch, "nanos_since_epoch": 0}
    return {key: _with_time(value, epoch) for key, value in note.items()}


def _recorded(data: bytes) -> bytes:
    """What a row of `RECORD` says of a note: digest and size (PyPA, "Recording installed projects")."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return b"uv_cache.json,sha256=" + digest + b"," + str(len(data)).encode()


def _read(path: bytes) -> bytes:
    """The content of a plain file, b"" for anything else: a step may leave a link under any name."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:
        data = file.read(LIMIT_BYTES + 1)
    return data if len(data) <= LIMIT_BYTES else b""


def _write(path: bytes, old: bytes, new: bytes) -> None:
    """Another content for a file that stays the same one: its owner, mode and attributes."""
    if old == new:
        return
    with open(path, "r+b") as file:
        file.write(new)
        file.truncate()
