"""`dataclass` for frozen slotted values without the price of the `dataclasses` module; imports nothing.

`dataclasses` costs 9 ms to import (it pulls in `inspect` and `re`) and a third of a millisecond for each class, which is
most of what a `teul run` may spend on imports. Modules on that path write::

    if TYPE_CHECKING:
        from dataclasses import dataclass, field, replace
    else:
        from teul.values import dataclass, field, replace

so that a type checker sees the standard library's and the interpreter runs this. Must not grow beyond frozen, slotted
values: no mutable ones, no ordering, no `InitVar`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["dataclass", "field", "fields", "replace"]


class _StandardFields:
    """`__dataclass_fields__`, made when somebody asks, so that the standard library's functions know these classes."""

    __slots__ = ()

    def __get__(self, value: object, kind: type) -> dict[str, Any]:
        import dataclasses

        made: dict[str, Any] = {}
        for name in kind.__value_fields__:  # type: ignore[attr-defined]
            default: Any = kind.__value_defaults__.get(name, dataclasses.MISSING)  # type: ignore[attr-defined]
            factory: Any = dataclasses.MISSING
            if type(default) is _Field:
                default, factory = dataclasses.MISSING, default.default_factory
            item: Any = (
                dataclasses.field(default_factory=factory)
                if factory is not dataclasses.MISSING
                else dataclasses.field(default=default)
            )
            item.name = name
            item.type = kind.__annotations__.get(name, "object")
            item._field_type = dataclasses._FIELD  # type: ignore[attr-defined]
            made[name] = item
        return made


class _Missing:
    __slots__ = ()


_MISSING = _Missing()


class _Field:
    __slots__ = ("default_factory",)

    def __init__(self, default_factory: Callable[[], object]) -> None:
        self.default_factory = default_factory


def field(*, default_factory: Callable[[], object]) -> Any:
    """A default that is made anew for each value."""
    return _Field(default_factory)


def fields(value: object) -> tuple[str, ...]:
    """The names of the fields of a value or its class, in the order of definition."""
    names: tuple[str, ...] = value.__value_fields__  # type: ignore[attr-defined]
    return names


def replace(value: Any, /, **changes: object) -> Any:
    """A copy of *value* with some fields changed."""
    for name in value.__value_fields__:
        if name not in changes:
            changes[name] = getattr(value, name)
    return type(value)(**changes)


def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type], type]:
    """As `dataclasses.dataclass`, for `frozen=True, slots=True` only (both must be said)."""
    assert frozen
    assert slots

    def make(given: type) -> type:
        namespace = dict(given.__dict__)
        namespace.pop("__dict__", None)
        namespace.pop("__weakref__", None)
        own = tuple(given.__dict__.get("__annotations__", ()))  # noqa: RUF063  (`inspect` is what this module avoids)
        names: tuple[str, ...] = ()
        positional: tuple[str, ...] = ()
        defaults: dict[str, object] = {}
        for base in reversed(given.__mro__[1:]):
            for name in base.__dict__.get("__value_fields__", ()):
                if name not in names:
                    names = (*names, name)
            positional = base.__dict__.get("__match_args__", positional)
            defaults |= base.__dict__.get("__value_defaults__", {})
        inherited = names
        names += tuple(name for name in own if name not in names)
        if not kw_only:
            positional += tuple(name for name in own if name not in positional)
        for name in own:
            if name in namespace:
                defaults[name] = namespace.pop(name)
        namespace["__slots__"] = tuple(name for name in own if name not in inherited)
        namespace["__value_fields__"] = names
        namespace["__value_defaults__"] = defaults
        namespace["__match_args__"] = positional
        namespace["__dataclass_fields__"] = _StandardFields()
        namespace["__qualname__"] = given.__qualname__
        for name, method in _METHODS:
            namespace.setdefault(name, method)
        return type(given)(given.__name__, given.__bases__, namespace)

    return make


def _init(self: Any, *args: object, **given: object) -> None:
    kind = type(self)
    names = kind.__value_fields__
    put = object.__setattr__
    if args:
        positional = kind.__match_args__
        if len(args) > len(positional):
            raise TypeError(f"{kind.__name__} takes {len(positional)} positional arguments, got {len(args)}")
        for name, value in zip(positional, args, strict=False):
            if name in given:
                raise TypeError(f"{kind.__name__} got two values for `{name}`")
            given[name] = value
    defaults = kind.__value_defaults__
    used = 0
    for name in names:
        if name in given:
            value = given[name]
            used += 1
        else:
            value = defaults.get(name, _MISSING)
            if value is _MISSING:
                raise TypeError(f"{kind.__name__} lacks `{name}`")
            if type(value) is _Field:
                value = value.default_factory()
        put(self, name, value)
    if used != len(given):
        unknown = ", ".join(sorted(set(given) - set(names)))
        raise TypeError(f"{kind.__name__} has no `{unknown}`")
    if hasattr(kind, "__post_init__"):
        self.__post_init__()


def _parts(self: Any) -> tuple[object, ...]:
    return tuple(getattr(self, name) for name in self.__value_fields__)


def _repr(self: Any) -> str:
    inner = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__value_fields__)
    return f"{type(self).__qualname__}({inner})"


def _eq(self: Any, other: object) -> bool:
    return _parts(self) == _parts(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_parts(self))


def _setattr(self: Any, name: str, value: object) -> None:
    raise AttributeError(f"cannot assign to field `{name}`: {type(self).__name__} is frozen")


def _delattr(self: Any, name: str) -> None:
    raise AttributeError(f"cannot delete field `{name}`: {type(self).__name__} is frozen")


def _getstate(self: Any) -> tuple[object, ...]:
    return _parts(self)


def _setstate(self: Any, state: tuple[object, ...]) -> None:
    for name, value in zip(self.__value_fields__, state, strict=True):
        object.__setattr__(self, name, value)


_METHODS = (
    ("__init__", _init),
    ("__repr__", _repr),
    ("__eq__", _eq),
    ("__hash__", _hash),
    ("__setattr__", _setattr),
    ("__delattr__", _delattr),
    ("__getstate__", _getstate),
    ("__setstate__", _setstate),
)
