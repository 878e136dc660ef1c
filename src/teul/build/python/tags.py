"""Which wheels fit a stage's Python, best first. Pure.

Spec: PyPA "Platform compatibility tags"; PEP 425, 600 (manylinux), 656 (musllinux). The order is that of
`packaging.tags`, which pip chooses by.
"""

from __future__ import annotations

from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from teul.build.python.values import Interpreter

_OLD_NAMES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
"""The oldest glibc (2.x) that a wheel may name, by machine; 17 on all others."""
UV_GLIBC = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
"""The glibc versions (2.x) that uv knows as platforms."""


def platforms(libc: str, version: tuple[int, int], machine: str) -> list[str]:
    """The platform part of tags, best first."""
    made: list[str] = []
    if libc == "glibc":
        for minor in range(version[1], _OLDEST_GLIBC.get(machine, 17) - 1, -1):
            made.append(f"manylinux_2_{minor}_{machine}")
            if (2, minor) in _OLD_NAMES:
                made.append(f"{_OLD_NAMES[2, minor]}_{machine}")
    elif libc == "musl":
        made += [f"musllinux_{version[0]}_{minor}_{machine}" for minor in range(version[1], -1, -1)]
    return [*made, f"linux_{machine}"]


@lru_cache(maxsize=8)
def supported(python: tuple[int, int], libc: str, version: tuple[int, int], machine: str) -> dict[str, int]:
    """Tag → rank, 0 the best, of a CPython."""
    major, minor = python
    own = f"cp{major}{minor}"
    places = platforms(libc, version, machine)
    older = [f"py{major}{number}" for number in range(minor - 1, -1, -1)]
    generic = [f"py{major}{minor}", f"py{major}", *older]
    tags = [f"{own}-{abi}-{place}" for abi in (own, "abi3", "none") for place in places]
    tags += [f"cp{major}{number}-abi3-{place}" for number in range(minor - 1, 1, -1) for place in places]
    tags += [f"{version}-none-{place}" for version in generic for place in places]
    tags += [f"{own}-none-any", *(f"{version}-none-any" for version in generic)]
    ranks: dict[str, int] = {}
    for rank, tag in enumerate(tags):
        ranks.setdefault(tag, rank)
    return ranks


def best_wheel(filenames: Sequence[str], python: Interpreter) -> str | None:
    """The one of *filenames* (all of one distribution and version) that pip would take, None when none fits."""
    ranks = supported(python.version[:2], python.libc, python.libc_version, python.machine)
    best: tuple[int, tuple[int, str]] | None = None
    chosen = None
    for name in filenames:
        rank = min((ranks[tag] for tag in wheel_tags(name) if tag in ranks), default=None)
        if rank is None:
            continue
        key = (-rank, build_tag(name))
        if best is None or key > best:
            best, chosen = key, name
    return chosen


def wheel_tags(filename: str) -> Iterable[str]:
    """The tags that a wheel's name stands for."""
    parts = filename.removesuffix(".whl").split("-")
    if len(parts) < 5:
        return
    for interpreter in parts[-3].split("."):
        for abi in parts[-2].split("."):
            for place in parts[-1].split("."):
                yield f"{interpreter}-{abi}-{place}"


def build_tag(filename: str) -> tuple[int, str]:
    """The build tag, for order: none comes first. Spec: "Binary distribution format", "File name convention"."""
    parts = filename.removesuffix(".whl").split("-")
    if len(parts) < 6:
        return (-1, "")
    digits = parts[2][: len(parts[2]) - len(parts[2].lstrip("0123456789"))]
    return (int(digits or 0), parts[2][len(digits) :])


def uv_platform(python: Interpreter) -> str:
    """Uv's name of a stage's platform, "" for one that uv does not know.

    A glibc that uv has no name for counts as the newest older one that it has (see `is_known_to_uv`).
    """
    if python.libc == "musl" and python.machine in ("x86_64", "aarch64"):
        return f"{python.machine}-unknown-linux-musl" if python.libc_version >= (1, 2) else ""
    if python.libc != "glibc" or python.machine not in ("x86_64", "aarch64") or python.libc_version[0] != 2:
        return ""
    minor = max((known for known in UV_GLIBC if known <= python.libc_version[1]), default=None)
    return f"{python.machine}-manylinux_2_{minor}" if minor is not None else ""


def is_known_to_uv(python: Interpreter) -> bool:
    """Whether uv's platform is the stage's own; otherwise uv passes over wheels that are made for a newer glibc than
    it has a name for, and pip takes them.
    """
    return python.libc != "glibc" or python.libc_version[1] in UV_GLIBC
