"""What `--gpus` asks for. Pure.

Source: docker/cli, opts/gpus.go; Docker's documentation, "docker run", "Access an NVIDIA GPU".
"""

from __future__ import annotations

from dataclasses import dataclass

from teul.errors import InvalidInput, text

ALL = -1


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """*count* cards (-1 all), or those with *ids* (numbers or UUIDs); *capabilities* beside `gpu`."""

    count: int = 0
    ids: tuple[str, ...] = ()
    driver: str = ""
    capabilities: tuple[str, ...] = ()

    def names(self, present: int) -> tuple[str, ...]:
        """The devices' names, of *present* cards.

        Raises:
            InvalidInput: more are asked for than there are.
        """
        if self.ids:
            return self.ids
        if self.count == ALL:
            return ("all",)
        if self.count > present:
            raise InvalidInput(
                text("{count} GPUs are asked for, this host has {present}", count=self.count, present=present)
            )
        return tuple(str(number) for number in range(self.count))


def parse(value: str) -> GpuRequest:
    """`all`, `2`, `device=0`, `"device=0,GPU-…",capabilities=utility`.

    Raises:
        InvalidInput: with Docker's words.
    """
    count: int | None = None
    ids: tuple[str, ...] = ()
    driver = ""
    capabilities: tuple[str, ...] = ()
    seen: set[str] = set()
    for number, field in enumerate(_fields(value)):
        key, equals, given = field.partition("=")
        key = key.strip()
        if not equals:
            if number or not field:
                raise InvalidInput(text("invalid value for --gpus: {value}", value=value))
            key, given = "count", field
        if key in seen:
            raise InvalidInput(text("gpu request key '{key}' can be specified only once", key=key))
        seen.add(key)
        if key == "count":
            count = _count(given)
        elif key == "device":
            ids = tuple(item for item in given.split(",") if item)
        elif key == "driver":
            driver = given
        elif key == "capabilities":
            capabilities = tuple(item for item in given.split(",") if item not in ("", "gpu"))
        elif key != "options":
            raise InvalidInput(text("unexpected key '{key}' in '{field}'", key=key, field=field))
    if count is not None and ids:
        raise InvalidInput(text("cannot set both Count and DeviceIDs on device request"))
    if count is None and not ids:
        count = 1
    return GpuRequest(count or 0, ids, driver, capabilities)


def _count(word: str) -> int:
    if word == "all":
        return ALL
    try:
        return int(word)
    except ValueError:
        raise InvalidInput(
            text('invalid count ({value}): value must be either "all" or an integer', value=word)
        ) from None


def _fields(value: str) -> list[str]:
    """The fields of one line of comma-separated values: a whole field may be in double quotes and then holds commas."""
    import csv

    return next(csv.reader([value]), [])
