"""`RUN --mount`: the five types and their keys.

Spec: Dockerfile reference, "RUN --mount".
"""

from __future__ import annotations

from teul.build.dockerfile.reader import nearest
from teul.errors import DockerfileError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, replace

    from teul.build.dockerfile.parser import Node
else:
    from teul.values import dataclass, replace

FORMS = {
    "bind": "--mount=type=bind,source=PATH,target=PATH[,from=STAGE][,rw]",
    "cache": "--mount=type=cache,target=PATH[,id=NAME][,sharing=shared|private|locked][,mode=0755][,uid=0][,gid=0]",
    "tmpfs": "--mount=type=tmpfs,target=PATH[,size=64m]",
    "secret": "--mount=type=secret,id=NAME[,target=PATH][,env=NAME][,required][,mode=0400][,uid=0][,gid=0]",
    "ssh": "--mount=type=ssh[,id=default][,target=PATH][,required][,mode=0600][,uid=0][,gid=0]",
}
TYPES = tuple(FORMS)
KEYS = (
    "type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "readwrite", "rw", "required",
    "size", "id", "sharing", "mode", "uid", "gid", "env",
)  # fmt: skip
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMount:
    """One mount of a RUN. `origin` is `from`; `identity` is `id`; `size_bytes` 0 is "no limit"."""

    type: str = "bind"
    origin: str = ""
    source: str = ""
    target: str = ""
    is_readonly: bool = True
    required: bool = False
    size_bytes: int = 0
    identity: str = ""
    sharing: str = "shared"
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    env: str = ""


def origin_of(value: str, node: Node) -> str:
    """The `from` of a mount, before anything is expanded; it cannot hold variables.

    Raises:
        DockerfileError: it does.
    """
    for field in _fields(value):
        key, _, given = field.partition("=")
        if key.strip().lower() == "from":
            if "$" in given:
                raise DockerfileError(
                    text("'from' doesn't support variable expansion, define alias stage instead"), span=node.span(field)
                )
            return given
    return ""


def parse_mount(value: str, node: Node, expand: Callable[[str], str]) -> RunMount:
    """Read one `--mount` value.

    Raises:
        DockerfileError: an unknown type or key, a value of the wrong form, keys that do not go together.
    """

    def fail(message: str, word: str) -> DockerfileError:
        hint = None if "did you mean" in message else FORMS[made.type]
        return DockerfileError(message, span=node.span(word), hint=hint)

    made = RunMount()
    readonly: bool | None = None
    given: set[str] = set()
    for field in _fields(value):
        key, equals, text_ = field.partition("=")
        key = key.strip().lower()
        if key not in KEYS:
            near = nearest(key, KEYS)
            raise fail(
                text("unexpected key '{key}' in '{field}' (did you mean {near}?)", key=key, field=field, near=near)
                if near
                else text("unexpected key '{key}' in '{field}'", key=key, field=field),
                field,
            )
        if not equals and key not in ("readonly", "ro", "readwrite", "rw", "required"):
            raise fail(text("invalid field '{field}' must be a key=value pair", field=field), field)
        word = text_ if key == "from" else expand(text_)
        given.add(key)
        if key == "type":
            if word.lower() not in TYPES:
                near = nearest(word, TYPES)
                raise fail(
                    text("unsupported mount type `{type}` (did you mean {near}?)", type=word, near=near)
                    if near
                    else text("unsupported mount type `{type}`: expected {names}", type=word, names=", ".join(TYPES)),
                    field,
                )
            made = replace(made, type=word.lower())
        elif key == "from":
            made = replace(made, origin=word)
        elif key in ("source", "src"):
            made = replace(made, source=word)
        elif key in ("target", "dst", "destination"):
            made = replace(made, target=word)
        elif key in ("readonly", "ro"):
            readonly = _boolean(key, word, equals, fail, field)
        elif key in ("readwrite", "rw"):
            readonly = not _boolean(key, word, equals, fail, field)
        elif key == "required":
            made = replace(made, required=_boolean(key, word, equals, fail, field))
        elif key == "size":
            made = replace(made, size_bytes=_size(word, fail, field))
        elif key == "id":
            made = replace(made, identity=word)
        elif key == "env":
            made = replace(made, env=word)
        elif key == "sharing":
            if word.lower() not in ("shared", "private", "locked"):
                raise fail(
                    text("unsupported sharing value `{value}`: expected shared, private or locked", value=word), field
                )
            made = replace(made, sharing=word.lower())
        elif key == "mode":
            if not word or any(char not in "01234567" for char in word):
                raise fail(text("invalid value {value} for mode", value=word), field)
            made = replace(made, mode=int(word, 8))
        else:
            if not (word.isascii() and word.isdigit()):
                raise fail(text("invalid value {value} for {key}", value=word, key=key), field)
            made = replace(made, uid=int(word)) if key == "uid" else replace(made, gid=int(word))
    kind = made.type
    for keys, kinds in (
        (("mode", "uid", "gid"), ("cache", "secret", "ssh")),
        (("required",), ("secret", "ssh")),
        (("env",), ("secret",)),
        (("size",), ("tmpfs",)),
        (("sharing",), ("cache",)),
        (("from",), ("bind", "cache")),
        (("id",), ("cache", "secret", "ssh")),
        (("source", "src"), ("bind", "cache", "secret")),
    ):
        for key in keys:
            if key in given and kind not in kinds:
                raise fail(text("{key} not allowed for '{type}' type mounts", key=key, type=kind), key)
    if kind == "secret":
        if made.source and made.identity:
            raise fail(text("both source and id can't be set"), "--mount")
        identity = made.identity or made.source or made.target.rpartition("/")[2]
        if not identity:
            raise fail(text("invalid secret mount: one of source, target required"), "--mount")
        target = made.target or ("" if made.env else f"/run/secrets/{identity.rpartition('/')[2]}")
        made = replace(made, identity=identity, target=target)
    elif kind == "ssh":
        # Where no target is given, the number of the mount says it: see `stage`.
        made = replace(made, identity=made.identity or "default")
    elif not made.target:
        raise fail(text("mount target is required"), "--mount")
    return replace(made, is_readonly=readonly if readonly is not None else kind not in ("cache", "tmpfs"))


def _fields(value: str) -> list[str]:
    """The comma-separated fields; a field in double quotes may hold commas."""
    import csv

    return next(csv.reader([value]), [])


def _boolean(key: str, word: str, equals: str, fail: Callable[[str, str], DockerfileError], field: str) -> bool:
    if not equals or word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise fail(text("invalid value for {key}: {value}", key=key, value=word), field)


def _size(word: str, fail: Callable[[str, str], DockerfileError], field: str) -> int:
    """Docker's sizes: `64m`, `1.5g`, `1024`; binary units."""
    number = word.lower().removesuffix("b").removesuffix("i")
    unit = 1
    if number and number[-1] in "kmgtp":
        unit = 1024 ** ("kmgtp".index(number[-1]) + 1)
        number = number[:-1]
    try:
        made = float(number)
    except ValueError:
        made = -1.0
    if not 0 <= made < 2**60:
        raise fail(text("invalid value for {key}: {value}", key="size", value=word), field)
    return int(made * unit)
