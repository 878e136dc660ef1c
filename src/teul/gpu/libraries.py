"""Which libraries the loader of a machine finds: its cache (`/etc/ld.so.cache`) or, without one, its usual folders.

Source: glibc 2.36, sysdeps/generic/dl-cache.h (`struct cache_file_new`).
"""

from __future__ import annotations

import os
import struct

_OLD = b"ld.so-1.7.0\0"
_NEW = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("=20sIIBxxxI12x")
_ENTRY = struct.Struct("=iIIIQ")
_FLAGS = {"x86_64": 0x0300, "aarch64": 0x0A00}
"""The part of an entry's flags that says which architecture it is for."""
TRIPLETS = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}


def folders(machine: str) -> tuple[str, ...]:
    """Where a loader looks on its own, the Debian way first; without a leading slash."""
    triplet = TRIPLETS.get(machine, "")
    multiarch = (f"usr/lib/{triplet}", f"lib/{triplet}") if triplet else ()
    return (*multiarch, "usr/lib64", "lib64", "usr/lib", "lib")


def parse_cache(data: bytes, machine: str) -> dict[str, str]:
    """Soname → path of the libraries of *machine*; the first of several wins. {} when it is no cache."""
    start = 0
    if data.startswith(_OLD) and len(data) >= 16:
        (count,) = struct.unpack_from("=I", data, 12)
        start = 16 + count * 12
        start += -start % 8
    if data[start : start + len(_NEW)] != _NEW or len(data) < start + _HEADER.size:
        return {}
    _, count, _, _, _ = _HEADER.unpack_from(data, start)
    wanted = _FLAGS.get(machine)
    made: dict[str, str] = {}
    for number in range(count):
        place = start + _HEADER.size + number * _ENTRY.size
        if place + _ENTRY.size > len(data):
            break
        flags, key, value, _, _ = _ENTRY.unpack_from(data, place)
        if wanted is not None and flags & 0xFF00 != wanted:
            continue
        made.setdefault(_string(data, start + key), _string(data, start + value))
    return made


def find(root: str, machine: str) -> dict[str, str]:
    """Soname → path below *root* (absolute, as that root sees it)."""
    try:
        with open(os.path.join(root, "etc/ld.so.cache"), "rb") as file:
            found = parse_cache(file.read(), machine)
        if found:
            return found
    except OSError:
        pass
    made: dict[str, str] = {}
    for folder in folders(machine):
        try:
            names = sorted(os.listdir(os.path.join(root, folder)))
        except OSError:
            continue
        for name in names:
            if ".so" in name:
                made.setdefault(name, f"/{folder}/{name}")
    return made


def _string(data: bytes, place: int) -> str:
    end = data.find(b"\0", place)
    return os.fsdecode(data[place : end if end >= 0 else None])
