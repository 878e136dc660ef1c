"""What an exported build cache says: keys of steps, the layers that each gave, and cache mounts. PURE: no IO.

It is the config of an OCI manifest whose layers are the layers' blobs, so any registry takes it; or, inline, one more
field of an image's config, whose blobs are the image's own.

A record says what the step with that key gave: a stack of layers (the digest of the result is computed from it, never
read), or, where it stands for a tree that was looked at, the digests found there. A layer without a descriptor is
known but not exported (`mode=min`): its key leads on to what is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from teul.errors import InvalidDocument, TeulError, text
from teul.oci.descriptor import Descriptor
from teul.oci.digest import Digest, chain_id
from teul.oci.image import canonical_json
from teul.plain_json import loads

CONFIG_TYPE = "application/vnd.teul.build.cache.config.v1+json"
INLINE_FIELD = "io.teul.build.cache.v1"
MOUNT_TYPE = "application/vnd.teul.build.cache.mount.v1.tar+"
VERSION = 1
LIMIT_BYTES = 64 << 20
SCRATCH_DIGEST = "scratch"


@dataclass(frozen=True, slots=True)
class Record:
    """What one key stands for: *stack* is the diff ids of a tree, bottom first, None for anything else (*digest*)."""

    key: str
    stack: tuple[Digest, ...] | None
    data: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    def to_result(self) -> dict[str, Any]:
        """As `teul.solver.Result.to_json`."""
        if self.stack is None:
            return {"digest": self.digest, "data": dict(self.data)}
        digest = str(chain_id(list(self.stack))) if self.stack else SCRATCH_DIGEST
        return {"digest": digest, "data": {**self.data, "diff_ids": list(self.stack)}}

    @classmethod
    def of(cls, key: str, result: Mapping[str, Any]) -> Record:
        data = dict(result["data"])
        if "diff_ids" not in data:
            return cls(key, None, data, str(result["digest"]))
        return cls(key, tuple(Digest(item) for item in data.pop("diff_ids")), data)


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """One exported cache. *layers*: diff id → its blob; *mounts*: name of a cache mount → its tar."""

    records: tuple[Record, ...] = ()
    layers: Mapping[Digest, Descriptor] = field(default_factory=dict)
    mounts: Mapping[str, Descriptor] = field(default_factory=dict)

    def to_json(self, *, with_blobs: bool = True) -> dict[str, Any]:
        """Sorted, so that the same cache is the same bytes. Inline, the blobs are the image's: `with_blobs=False`."""
        numbers: dict[Digest, int] = {}
        for record in self.records:
            for diff_id in record.stack or ():
                numbers.setdefault(diff_id, len(numbers))
        layers: list[dict[str, Any]] = []
        for diff_id in numbers:
            row: dict[str, Any] = {"diffID": diff_id}
            if with_blobs and diff_id in self.layers:
                row["blob"] = self.layers[diff_id].to_json()
            layers.append(row)
        made: dict[str, Any] = {"version": VERSION, "layers": layers, "records": []}
        for record in self.records:
            line: dict[str, Any] = {"key": record.key, "data": dict(record.data)}
            if record.stack is None:
                line["digest"] = record.digest
            else:
                line["stack"] = [numbers[diff_id] for diff_id in record.stack]
            made["records"].append(line)
        if self.mounts and with_blobs:
            made["mounts"] = {name: blob.to_json() for name, blob in sorted(self.mounts.items())}
        return made

    def to_bytes(self) -> bytes:
        return canonical_json(self.to_json())

    @classmethod
    def parse(cls, data: bytes) -> CacheConfig:
        """Read the document.

        Raises:
            InvalidDocument: not a cache of this version.
        """
        if len(data) > LIMIT_BYTES:
            raise InvalidDocument(
                "build cache", text("expected at most {limit} bytes, got {size}", limit=LIMIT_BYTES, size=len(data))
            )
        try:
            value = loads(data)
        except (ValueError, RecursionError) as error:
            raise InvalidDocument("build cache", text("expected JSON, got {problem}", problem=error)) from error
        return cls.from_json(value)

    @classmethod
    def from_json(cls, value: object) -> CacheConfig:
        """Raises: InvalidDocument."""
        try:
            return cls._read(value)
        except InvalidDocument:
            raise
        except (TypeError, KeyError, ValueError, AttributeError, IndexError, TeulError) as error:
            raise InvalidDocument(
                "build cache", text("a field has the wrong type: {problem}", problem=error)
            ) from error

    @classmethod
    def _read(cls, value: Any) -> CacheConfig:
        if not isinstance(value, Mapping) or value.get("version") != VERSION:
            raise InvalidDocument("build cache", text("expected version {version}", version=VERSION))
        rows = value["layers"]
        diff_ids = [Digest.parse(row["diffID"]) for row in rows]
        layers = {
            diff_id: Descriptor.from_json(row["blob"], "cache layer")
            for diff_id, row in zip(diff_ids, rows, strict=True)
            if row.get("blob")
        }
        return cls(
            tuple(_record(line, diff_ids) for line in value["records"]),
            layers,
            {
                _mount_name(name): Descriptor.from_json(blob, "cache mount")
                for name, blob in (value.get("mounts") or {}).items()
            },
        )


def _record(line: Mapping[str, Any], diff_ids: Sequence[Digest]) -> Record:
    key, data = line["key"], line["data"]
    if not isinstance(key, str) or not isinstance(data, Mapping):
        raise TypeError("record")
    if "stack" not in line:
        if not all(isinstance(name, str) and isinstance(part, str) for name, part in data.items()):
            raise TypeError("parts")
        return Record(key, None, data, str(line["digest"]))
    numbers = line["stack"]
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise TypeError("stack")
    if not isinstance(data.get("size_bytes", 0), int):
        raise TypeError("size_bytes")
    if not all(isinstance(piece, str) for piece in data.get("pieces") or ()):
        raise TypeError("pieces")
    return Record(key, tuple(diff_ids[number] for number in numbers), data)


def _mount_name(name: object) -> str:
    """A mount's name is part of a path on this machine: sixteen bytes as hexadecimal digits and nothing else."""
    if not isinstance(name, str) or len(name) != 32 or not set(name) <= set("0123456789abcdef"):
        raise ValueError(f"mount {name!r}"[:100])
    return name
