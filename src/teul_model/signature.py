"""What a model takes and gives: `Column`, `Signature`. Must not know HTTP or JSON.

A predictor may say it with two class attributes, `inputs` and `outputs`: name → Python type (`int`, `float`, `str`,
`bool`, or one of them `| None` where the value may be missing) or a data type of the Open Inference Protocol ("INT64").
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
FLOATS = ("FP16", "FP32", "FP64")
DATATYPES = (*INTEGERS, *FLOATS, "BOOL", "BYTES")
PYTHON_TYPES = {int: "INT64", float: "FP64", str: "BYTES", bool: "BOOL"}
WORDS = {"INT": "an integer", "FP": "a number", "BOOL": "true or false", "BYTES": "a string", "ANY": "any value"}
RANGES = {
    name: (0, 2 ** int(name[4:]) - 1) if name[0] == "U" else (-(2 ** (int(name[3:]) - 1)), 2 ** (int(name[3:]) - 1) - 1)
    for name in INTEGERS
}


class BadRequest(Exception):
    """The request cannot be answered, and its sender can mend it; the text names the field."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def family(datatype: str) -> str:
    """`INT`, `FP`, `BOOL`, `BYTES` or `ANY`."""
    if datatype in INTEGERS:
        return "INT"
    return "FP" if datatype in FLOATS else datatype


def describe(value: object) -> str:
    """What a JSON value is, in the words of an error message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    if isinstance(value, str):
        return f"the string {value[:40]!r}"
    return "a list" if isinstance(value, list) else "an object"


class Column:
    """One named input or output. `datatype` is OIP's; "ANY" is not checked."""

    __slots__ = ("datatype", "family", "is_optional", "name")

    def __init__(self, name: str, datatype: str, is_optional: bool = False) -> None:
        self.name = name
        self.datatype = datatype
        self.family = family(datatype)
        self.is_optional = is_optional

    def check(self, value: Any, where: str) -> object:
        """Give *value* as the model gets it: whole numbers stay `int`, numbers become `float`.

        Raises:
            BadRequest: "<where>: expected an integer, got the string 'x'".
        """
        kind = type(value)
        if self.family == "INT":
            if kind is float and value.is_integer():
                kind, value = int, int(value)
            if kind is int:
                low, high = RANGES[self.datatype]
                if low <= value <= high:
                    return value
                raise BadRequest(f"{where}: expected {self.datatype}, between {low} and {high}, got {value}")
        elif self.family == "FP":
            if kind is float:
                return value
            if kind is int:
                try:
                    return float(value)
                except OverflowError:
                    raise BadRequest(f"{where}: expected a number of 64 bits, got a larger one") from None
        elif self.family == "ANY" or (self.family, kind) in (("BYTES", str), ("BOOL", bool)):
            return value
        if value is None and self.is_optional:
            return None
        raise BadRequest(f"{where}: expected {WORDS[self.family]}, got {describe(value)}")

    def from_text(self, value: str, where: str) -> object:
        """Read a CSV cell; an empty one is a missing value."""
        if value == "" and self.family != "BYTES":
            return self.check(None, where)
        if self.family == "INT":
            try:
                return self.check(int(value), where)
            except ValueError:
                return self.check(_number(value), where)
        if self.family == "FP":
            return self.check(_number(value), where)
        if self.family == "BOOL":
            return self.check({"true": True, "1": True, "false": False, "0": False}.get(value.lower(), value), where)
        return value if self.family == "BYTES" else _guess(value)


def _number(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def _guess(value: str) -> object:
    """A cell of a column nobody described: a number where it reads as one."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return None if value == "" else value


class Signature:
    """The inputs and outputs of a model, in order; `inputs` is None where the model says nothing about them."""

    __slots__ = ("by_name", "inputs", "outputs")

    def __init__(self, inputs: tuple[Column, ...] | None = None, outputs: tuple[Column, ...] | None = None) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.by_name = {column.name: column for column in inputs or ()}

    @classmethod
    def of(cls, predictor: object) -> Signature:
        """Read the attributes `inputs` and `outputs` of *predictor*.

        Raises:
            TypeError: one of them is not a mapping of names to types.
        """
        return cls(
            _columns(getattr(predictor, "inputs", None), "inputs"),
            _columns(getattr(predictor, "outputs", None), "outputs"),
        )


def _columns(given: Mapping[str, Any] | None, what: str) -> tuple[Column, ...] | None:
    if given is None:
        return None
    if not hasattr(given, "items"):
        raise TypeError(f"`{what}`: expected a dict of names and types, got {type(given).__name__}")
    made = []
    for name, kind in given.items():
        optional = False
        members = [item for item in getattr(kind, "__args__", ()) if item is not type(None)]
        if type(None) in getattr(kind, "__args__", ()) and len(members) == 1:
            kind, optional = members[0], True
        datatype = PYTHON_TYPES.get(kind) if isinstance(kind, type) else kind
        if datatype == "STRING":
            datatype = "BYTES"
        if datatype not in (*DATATYPES, "ANY"):
            raise TypeError(f"`{what}[{name!r}]`: expected int, float, str, bool or an OIP data type, got {kind!r}")
        made.append(Column(str(name), str(datatype), optional))
    return tuple(made)
