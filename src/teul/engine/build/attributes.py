"""`type=…,key=value,…`: the words of `--cache-to`, `--cache-from` and `--output`, as values. Pure."""

from __future__ import annotations

from teul.errors import InvalidInput, OptionUnsupported, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
else:
    from teul.values import dataclass

CODECS = {"": "gzip", "gzip": "gzip", "zstd": "zstd", "uncompressed": ""}
IGNORED_CACHE_KEYS = {"oci-mediatypes", "image-manifest", "force-compression"}
"""What is always so here: OCI media types, one image manifest, one's own compression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTarget:
    """Where a cache goes to or comes from. *kind*: "inline", "registry" (*place* is a reference), "local" (a folder).

    *with_mounts*: cache mounts travel too. *codec*: "gzip", "zstd" or "" for none.
    """

    kind: str
    place: str = ""
    tag: str = "latest"
    digest: str = ""
    mode: str = "min"
    codec: str = "gzip"
    with_mounts: bool = True
    ignore_error: bool = False


def read_cache_to(word: str) -> CacheTarget:
    """`--cache-to`.

    Raises:
        InvalidInput, OptionUnsupported.
    """
    return _read_cache(word, "--cache-to", {"ref", "dest", "mode", "compression", "ignore-error", "tag"})


def read_cache_from(word: str) -> CacheTarget:
    """`--cache-from`.

    Raises:
        InvalidInput, OptionUnsupported.
    """
    return _read_cache(word, "--cache-from", {"ref", "src", "digest", "tag"})


def _read_cache(word: str, flag: str, known: set[str]) -> CacheTarget:
    fields = read_fields(word, flag) if "=" in word else {"type": "registry", "ref": word}
    kind = fields.pop("type", "registry")
    if kind in ("gha", "s3", "azblob"):
        raise OptionUnsupported(f"{flag} type={kind}", hint=text("type=registry,ref=IMAGE or type=local,dest=FOLDER"))
    if kind not in ("inline", "registry", "local") or (kind == "inline" and flag == "--cache-from"):
        raise InvalidInput(
            text(
                "`{flag} {value}`: expected type=registry, local or inline, got {kind}",
                flag=flag,
                value=word,
                kind=kind,
            )
        )
    _refuse_unknown(fields, known | IGNORED_CACHE_KEYS | {"mounts"}, flag)
    place = {"registry": "ref", "local": "dest" if flag == "--cache-to" else "src", "inline": ""}[kind]
    if place and not fields.get(place):
        raise InvalidInput(text("`{flag} {value}`: expected {name}=…", flag=flag, value=word, name=place))
    mode = fields.get("mode", "min")
    if mode not in ("min", "max"):
        raise InvalidInput(
            text("`{flag} {value}`: expected mode=min or max, got {mode}", flag=flag, value=word, mode=mode)
        )
    return CacheTarget(
        kind=kind,
        place=fields.get(place, ""),
        tag=fields.get("tag", "latest"),
        digest=fields.get("digest", ""),
        mode=mode,
        codec=codec_of(fields, flag),
        with_mounts=truth(fields, "mounts", flag, default=kind != "inline"),
        ignore_error=truth(fields, "ignore-error", flag, default=False),
    )


def read_fields(word: str, flag: str) -> dict[str, str]:
    """`a=b,"c=d,e"`: Go's CSV of pairs; the names in lower case.

    Raises:
        InvalidInput: a field without `=`.
    """
    import csv

    made: dict[str, str] = {}
    for part in next(csv.reader([word]), []):
        name, equals, value = part.partition("=")
        if not equals:
            raise InvalidInput(
                text("`{flag} {value}`: expected NAME=VALUE, got `{part}`", flag=flag, value=word, part=part)
            )
        made[name.strip().lower()] = value
    return made


def truth(fields: Mapping[str, str], name: str, flag: str, *, default: bool) -> bool:
    """A field as Go's `strconv.ParseBool` reads it."""
    value = fields.get(name)
    if value is None:
        return default
    if value.lower() in ("1", "t", "true"):
        return True
    if value.lower() in ("0", "f", "false"):
        return False
    raise InvalidInput(text("`{flag}`: expected {name}=true or false, got {value}", flag=flag, name=name, value=value))


def codec_of(fields: Mapping[str, str], flag: str) -> str:
    """What `compression=` asks for."""
    name = fields.get("compression", "")
    if name not in CODECS:
        raise OptionUnsupported(f"{flag} compression={name}", hint=text("compression=gzip, zstd or uncompressed"))
    return CODECS[name]


def _refuse_unknown(fields: Mapping[str, str], known: set[str], flag: str) -> None:
    for name in sorted(fields):
        if name not in known:
            raise OptionUnsupported(f"{flag} {name}={fields[name]}")
