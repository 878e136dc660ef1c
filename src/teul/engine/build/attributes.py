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


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where what was built goes. *kind*: "image" (this machine's store), "registry", "local" (a folder), "tar", "oci",
    "docker" (an archive as `docker save` writes it), "cacheonly" (nowhere: the steps are in the cache).

    *dest* is a path, "-" stdout; *names* are more names for the image; *is_tar* is False for a layout in a folder.
    """

    kind: str
    dest: str = ""
    names: tuple[str, ...] = ()
    is_pushed: bool = False
    codec: str = ""
    """As `teul.engine.images.push` takes it: "" is as it comes, gzip where there is nothing yet."""
    is_tar: bool = True

    @property
    def is_kept(self) -> bool:
        """Whether the image becomes one of this machine's."""
        return self.kind in ("image", "registry")


def read_output(word: str) -> Output:
    """`--output`: a folder, `-`, or attributes.

    Raises:
        InvalidInput, OptionUnsupported.
    """
    flag = "--output"
    if "=" not in word:
        return Output(kind="tar", dest="-") if word == "-" else Output(kind="local", dest=word)
    fields = read_fields(word, flag)
    kind = fields.pop("type", "")
    if not kind:
        raise InvalidInput(text("`{flag} {value}`: expected {name}=…", flag=flag, value=word, name="type"))
    if kind not in ("local", "tar", "oci", "docker", "image", "registry", "cacheonly"):
        raise OptionUnsupported(
            f"--output type={kind}", hint=text("type=local, tar, oci, docker, image, registry or cacheonly")
        )
    known = {
        "local": {"dest", "platform-split"},
        "tar": {"dest", "platform-split"},
        "oci": {"dest", "tar", "name", "compression"},
        "docker": {"dest", "tar", "name"},
        "cacheonly": set(),
    }.get(kind, {"name", "push", "compression", "unpack", "store"})
    _refuse_unknown(fields, known | IGNORED_CACHE_KEYS | {"force-compression", "attestation-manifest"}, flag)
    dest = fields.get("dest", "")
    if kind == "local" and (not dest or dest == "-"):
        raise InvalidInput(text("dest is required for local exporter"))
    if kind in ("tar", "oci") and not dest:
        dest = "-"
    is_tar = truth(fields, "tar", flag, default=True)
    if not is_tar and (kind == "docker" or not dest or dest == "-"):
        raise OptionUnsupported(f"--output {word}", hint=text("type=oci,tar=false,dest=FOLDER"))
    codec = codec_of(fields, flag) if "compression" in fields else ""
    if "compression" in fields and not codec:
        raise OptionUnsupported(f"--output {word}", hint=text("compression=gzip or zstd"))
    return Output(
        kind="image" if kind == "docker" and not dest else kind,
        dest=dest,
        names=tuple(name for name in fields.get("name", "").split(",") if name),
        is_pushed=kind == "registry" or truth(fields, "push", flag, default=False),
        codec=codec,
        is_tar=is_tar,
    )


def read_attestations(provenance: str | None, sbom: str | None, more: list[str]) -> tuple[str, bool]:
    """`--provenance`, `--sbom`, `--attest`: the mode of the provenance ("" for none), and whether there is an SBOM.

    Raises:
        InvalidInput, OptionUnsupported.
    """
    mode, has_sbom = "", False
    words = [("--attest", word) for word in more]
    words += [("--provenance", f"type=provenance,{_attributes(provenance)}")] if provenance is not None else []
    words += [("--sbom", f"type=sbom,{_attributes(sbom)}")] if sbom is not None else []
    for flag, word in words:
        fields = read_fields(word.rstrip(","), flag)
        kind = fields.get("type", "")
        is_off = truth(fields, "disabled", flag, default=False)
        _refuse_unknown(fields, {"type", "disabled", "mode", "version", "inline-only", "builder-id"}, flag)
        if kind == "provenance":
            mode = fields.get("mode", "min")
            if mode not in ("min", "max"):
                raise InvalidInput(
                    text("`{flag} {value}`: expected mode=min or max, got {mode}", flag=flag, value=word, mode=mode)
                )
            if fields.get("version", "v1") != "v1":
                raise OptionUnsupported(f"{flag} version={fields['version']}", hint=text("version=v1"))
            mode = "" if is_off else mode
        elif kind == "sbom":
            has_sbom = not is_off
        else:
            raise OptionUnsupported(f"{flag} type={kind}", hint=text("type=provenance or type=sbom"))
    return mode, has_sbom


def _attributes(word: str) -> str:
    """`true` and `false` as attributes, anything else as it is."""
    if word.lower() in ("", "1", "t", "true"):
        return ""
    return "disabled=true" if word.lower() in ("0", "f", "false") else word
