"""Environment markers (`; python_version < "3.9"`) for the interpreter of a stage. Pure; what is unusual is left open.

Spec: PyPA "Dependency specifiers", Environment Markers. Of the comparisons of versions only those of plain numbers.
"""

from __future__ import annotations

import operator
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from teul.build.python.values import Interpreter

_TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])|(?P<text>'[^']*'|"[^"]*")|(?P<op>===|==|!=|<=|>=|~=|<|>)|(?P<word>[a-z_]+))"""
)
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _Open(Exception):
    """Something that is not decided here."""


def holds(marker: str, python: Interpreter) -> bool | None:
    """Whether *marker* is true for *python* on Linux; None when that is not decided here. "" is true.

    A marker about extras is not decided: which extra is meant, the requirement's own line does not say.
    """
    if not marker.strip():
        return True
    words: list[str] = []
    position = 0
    rest = marker.rstrip()
    while position < len(rest):
        match = _TOKEN.match(rest, position)
        if match is None:
            return None
        words.append(match[match.lastgroup or 0])
        position = match.end()
    try:
        value = _either(words, _environment(python))
    except (_Open, IndexError):
        return None
    return None if words else value


def _environment(python: Interpreter) -> dict[str, str]:
    major, minor, micro = python.version
    return {
        "python_version": f"{major}.{minor}",
        "python_full_version": f"{major}.{minor}.{micro}",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": python.machine,
        "implementation_name": python.implementation,
        "platform_python_implementation": "CPython" if python.implementation == "cpython" else "",
    }


def _either(words: list[str], known: Mapping[str, str]) -> bool:
    value = _both(words, known)
    while words and words[0] == "or":
        words.pop(0)
        other = _both(words, known)
        value = value or other
    return value


def _both(words: list[str], known: Mapping[str, str]) -> bool:
    value = _one(words, known)
    while words and words[0] == "and":
        words.pop(0)
        other = _one(words, known)
        value = value and other
    return value


def _one(words: list[str], known: Mapping[str, str]) -> bool:
    if words[0] == "(":
        words.pop(0)
        value = _either(words, known)
        if words.pop(0) != ")":
            raise _Open
        return value
    left, sign, right = words.pop(0), words.pop(0), words.pop(0)
    if left[0] in "'\"" or right[0] not in "'\"" or not known.get(left) or sign not in _COMPARE:
        raise _Open
    found, wanted = known[left], right[1:-1]
    if left.startswith("python"):
        if not _NUMBERS.fullmatch(wanted):
            raise _Open
        return _COMPARE[sign](_numbers(found), _numbers(wanted))
    if sign not in ("==", "!="):
        raise _Open
    return _COMPARE[sign](found, wanted)


def _numbers(version: str) -> tuple[int, ...]:
    """Without the zeros at the end: 3.10 is 3.10.0."""
    made = [int(part) for part in version.split(".")]
    while made and not made[-1]:
        made.pop()
    return tuple(made)
