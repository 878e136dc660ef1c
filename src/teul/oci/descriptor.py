"""`Descriptor` and `Platform`: what points at content. Must not fetch it.

Spec: image-spec v1.1 descriptor.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from teul.errors import InvalidDocument, text
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass, field
else:
    from teul.values import dataclass, field

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"

INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
LAYER_COMPRESSION = {
    OCI_LAYER: "",
    DOCKER_LAYER: "",
    OCI_LAYER_GZIP: "gzip",
    DOCKER_LAYER_GZIP: "gzip",
    OCI_LAYER_ZSTD: "zstd",
}
"""Layer media type → codec name ("" is a plain tar)."""


_ARCHITECTURES = frozenset(
    (
        *("386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le"),
        *("riscv64", "s390x", "wasm"),
        *("i386", "i686", "x86_64", "aarch64", "armv6l", "armv7l", "armv8l", "loongarch64"),
    )
)
"""Go's names, and those that kernels give themselves."""
_SYSTEMS = frozenset(("darwin", "freebsd", "linux", "windows"))
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system, architecture and variant in Go's words (`linux`, `amd64`, `v8`)."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, value: str) -> Platform:
        """Read `os/arch[/variant]`; a known `arch` alone means linux, a known `os` alone this machine's architecture.
        `x86_64` and `aarch64` are accepted.
        """
        parts = value.lower().split("/")
        if len(parts) == 1 and parts[0] in _SYSTEMS:
            parts.append(os.uname().machine)
        elif len(parts) == 1:
            if parts[0] not in _ARCHITECTURES:
                raise InvalidDocument(
                    "platform", text("`{value}`: unknown architecture, expected `os/arch[/variant]`", value=value)
                )
            parts = ["linux", parts[0]]
        if len(parts) > 3 or not all(part and _LETTERS.issuperset(part) for part in parts):
            raise InvalidDocument("platform", text("expected `os/arch[/variant]`, got `{value}`", value=value))
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(parts[1], parts[1])
        return cls(parts[0], architecture, parts[2] if len(parts) == 3 else "")

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}" + (f"/{self.variant}" if self.variant else "")

    def accepts(self, other: Platform) -> bool:
        """Whether an image made for *other* runs where this platform is asked for (arm64 is arm64/v8)."""
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        default = {"arm64": "v8", "arm": "v7"}.get(self.architecture, "")
        return (self.variant or default) == (other.variant or default)

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Platform:
        return cls(str(value.get("os", "")), str(value.get("architecture", "")), str(value.get("variant", "") or ""))

    def to_json(self) -> dict[str, object]:
        made: dict[str, object] = {"architecture": self.architecture, "os": self.os}
        if self.variant:
            made["variant"] = self.variant
        return made


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Media type, digest and size (bytes) of some content."""

    media_type: str
    digest: Digest
    size_bytes: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str = ""

    @classmethod
    def from_json(cls, value: object, kind: str = "descriptor") -> Descriptor:
        """Check and read one descriptor.

        Raises:
            InvalidDocument: a field is missing or of the wrong type.
            InvalidDigest: the digest is not sha256.
        """
        if not isinstance(value, Mapping):
            raise InvalidDocument(kind, text("expected an object, got {kind}", kind=type(value).__name__))
        media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
        if not isinstance(media_type, str) or not isinstance(digest, str):
            raise InvalidDocument(kind, text("expected `mediaType` and `digest` to be strings"))
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise InvalidDocument(kind, text("expected `size` to be a count of bytes, got {size}", size=size))
        annotations = value.get("annotations") or {}
        platform = value.get("platform")
        return cls(
            media_type,
            Digest.parse(digest),
            size,
            dict(annotations) if isinstance(annotations, Mapping) else {},
            Platform.from_json(platform) if isinstance(platform, Mapping) else None,
            str(value.get("artifactType") or ""),
        )

    def to_json(self) -> dict[str, object]:
        made: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}
        if self.annotations:
            made["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform:
            made["platform"] = self.platform.to_json()
        if self.artifact_type:
            made["artifactType"] = self.artifact_type
        return made
