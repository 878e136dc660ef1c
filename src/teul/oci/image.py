"""The parts of an image: `ImageConfig`, `Manifest`, `Index`. Must not store or fetch them.

Spec: image-spec v1.1 config.md, manifest.md, image-index.md; Docker's additions (Healthcheck, Shell, OnBuild)
are kept in the config as Docker writes them.
"""

from __future__ import annotations

from collections.abc import Mapping

from teul.errors import InvalidDocument, PlatformMismatch, TeulError, text
from teul.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX, OCI_MANIFEST, Descriptor, Platform
from teul.oci.digest import Digest
from teul.plain_json import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
    from typing import Any
else:
    from teul.values import dataclass, field, replace

DOCUMENT_LIMIT_BYTES = 4 << 20
"""No manifest, index or config above this is read (distribution-spec: registries SHOULD accept 4 MiB)."""


def canonical_json(value: object) -> bytes:
    """The bytes teul writes for a document: no spaces, keys in the order given, UTF-8 without escapes."""
    return dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def load_document(data: bytes, kind: str) -> dict[str, Any]:
    """Parse a JSON object of at most `DOCUMENT_LIMIT_BYTES`.

    Raises:
        InvalidDocument: too large, not JSON, or not an object.
    """
    if len(data) > DOCUMENT_LIMIT_BYTES:
        raise InvalidDocument(
            kind, text("expected at most {limit} bytes, got {size}", limit=DOCUMENT_LIMIT_BYTES, size=len(data))
        )
    try:
        value = loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(kind, text("expected JSON, got {problem}", problem=error)) from error
    if not isinstance(value, dict):
        raise InvalidDocument(kind, text("expected an object, got {kind}", kind=type(value).__name__))
    return value


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """Docker's HEALTHCHECK. Durations are nanoseconds, 0 means the default (30 s, 30 s, 0 s, 5 s, 3 tries)."""

    test: tuple[str, ...]
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Healthcheck:
        return cls(
            tuple(value.get("Test") or ()),
            int(value.get("Interval") or 0),
            int(value.get("Timeout") or 0),
            int(value.get("StartPeriod") or 0),
            int(value.get("StartInterval") or 0),
            int(value.get("Retries") or 0),
        )

    def to_json(self) -> dict[str, Any]:
        made: dict[str, Any] = {"Test": list(self.test)}
        for name, number in (
            ("Interval", self.interval_ns),
            ("Timeout", self.timeout_ns),
            ("StartPeriod", self.start_period_ns),
            ("StartInterval", self.start_interval_ns),
            ("Retries", self.retries),
        ):
            if number:
                made[name] = number
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionConfig:
    """The `config` object of an image: how its containers run unless told otherwise.

    `None` for `command` or `entrypoint` means "not set"; an empty tuple is "set to nothing".
    """

    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ExecutionConfig:
        def words(name: str) -> tuple[str, ...] | None:
            given = value.get(name)
            if given is None:
                return None
            given = [given] if isinstance(given, str) else given
            if not isinstance(given, list) or not all(isinstance(word, str) and "\0" not in word for word in given):
                raise TypeError(f"`{name}`: expected a list of strings")
            return tuple(given)

        def names(name: str) -> tuple[str, ...]:
            given = value.get(name) or {}
            if not isinstance(given, Mapping):
                raise TypeError(f"`{name}`: expected an object")
            return tuple(sorted(given))

        def word(name: str) -> str:
            given = value.get(name) or ""
            if not isinstance(given, str) or "\0" in given:
                raise TypeError(f"`{name}`: expected a string")
            return given

        names("Labels")
        health = value.get("Healthcheck")
        return cls(
            user=word("User"),
            exposed_ports=names("ExposedPorts"),
            env=words("Env") or (),
            entrypoint=words("Entrypoint"),
            command=words("Cmd"),
            volumes=names("Volumes"),
            working_dir=word("WorkingDir"),
            labels=dict(value.get("Labels") or {}),
            stop_signal=word("StopSignal"),
            healthcheck=Healthcheck.from_json(health) if isinstance(health, Mapping) else None,
            shell=words("Shell") or (),
            on_build=words("OnBuild") or (),
            args_escaped=bool(value.get("ArgsEscaped") or False),
        )

    def to_json(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.user:
            made["User"] = self.user
        if self.exposed_ports:
            made["ExposedPorts"] = {port: {} for port in sorted(self.exposed_ports)}
        if self.env:
            made["Env"] = list(self.env)
        if self.entrypoint is not None:
            made["Entrypoint"] = list(self.entrypoint)
        if self.command is not None:
            made["Cmd"] = list(self.command)
        if self.volumes:
            made["Volumes"] = {path: {} for path in sorted(self.volumes)}
        if self.working_dir:
            made["WorkingDir"] = self.working_dir
        if self.labels:
            made["Labels"] = dict(sorted(self.labels.items()))
        if self.stop_signal:
            made["StopSignal"] = self.stop_signal
        if self.args_escaped:
            made["ArgsEscaped"] = True
        if self.healthcheck:
            made["Healthcheck"] = self.healthcheck.to_json()
        if self.shell:
            made["Shell"] = list(self.shell)
        if self.on_build:
            made["OnBuild"] = list(self.on_build)
        return made


@dataclass(frozen=True, slots=True)
class History:
    """One line of an image's history; `created` is RFC 3339 or ""."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> History:
        return cls(
            str(value.get("created") or ""),
            str(value.get("created_by") or ""),
            str(value.get("comment") or ""),
            str(value.get("author") or ""),
            bool(value.get("empty_layer") or False),
        )

    def to_json(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.created:
            made["created"] = self.created
        if self.author:
            made["author"] = self.author
        if self.created_by:
            made["created_by"] = self.created_by
        if self.comment:
            made["comment"] = self.comment
        if self.empty_layer:
            made["empty_layer"] = True
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What the image digest (Docker's image id) is the digest of."""

    platform: Platform
    config: ExecutionConfig = ExecutionConfig()
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()
    created: str = ""
    author: str = ""

    @classmethod
    def parse(cls, data: bytes) -> ImageConfig:
        """Read the document.

        Raises:
            InvalidDocument: not an image config (rootfs type, diff ids, platform).
        """
        value = load_document(data, "image config")
        rootfs = value.get("rootfs")
        if not isinstance(rootfs, Mapping) or rootfs.get("type", "layers") != "layers":
            raise InvalidDocument("image config", text("expected `rootfs.type` to be `layers`"))
        try:
            return cls(
                platform=Platform.from_json(value),
                config=ExecutionConfig.from_json(value.get("config") or {}),
                diff_ids=tuple(Digest.parse(item) for item in rootfs.get("diff_ids") or ()),
                history=tuple(History.from_json(item) for item in value.get("history") or ()),
                created=str(value.get("created") or ""),
                author=str(value.get("author") or ""),
            )
        except TeulError:
            raise
        except (TypeError, AttributeError, ValueError) as error:
            raise InvalidDocument(
                "image config", text("a field has the wrong type: {problem}", problem=error)
            ) from error

    def to_json(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.created:
            made["created"] = self.created
        if self.author:
            made["author"] = self.author
        made |= self.platform.to_json()
        made["config"] = self.config.to_json()
        made["rootfs"] = {"type": "layers", "diff_ids": list(self.diff_ids)}
        made["history"] = [line.to_json() for line in self.history]
        return made

    def to_bytes(self) -> bytes:
        """The document's bytes; their digest is the image digest."""
        return canonical_json(self.to_json())

    @property
    def digest(self) -> Digest:
        return Digest.of(self.to_bytes())

    def with_layer(self, diff_id: Digest, history: History) -> ImageConfig:
        """One more layer on top."""
        return replace(self, diff_ids=(*self.diff_ids, diff_id), history=(*self.history, history))

    def with_config(self, config: ExecutionConfig, history: History | None = None) -> ImageConfig:
        """Another execution config, with its line of history (no layer)."""
        lines = (*self.history, history) if history else self.history
        return replace(self, config=config, history=lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An image for one platform: its config and its layers, bottom first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = OCI_MANIFEST
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    subject: Descriptor | None = None

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read the document.

        Raises:
            InvalidDocument: not a manifest of schema version 2.
        """
        value = load_document(data, "manifest")
        if value.get("schemaVersion") != 2:
            raise InvalidDocument(
                "manifest", text("expected schema version 2, got {version}", version=value.get("schemaVersion"))
            )
        layers = value.get("layers")
        if not isinstance(layers, list):
            raise InvalidDocument("manifest", text("expected `layers` to be a list"))
        subject = value.get("subject")
        media_type = str(value.get("mediaType") or OCI_MANIFEST)
        if media_type not in MANIFEST_TYPES:
            raise InvalidDocument("manifest", text("unknown media type `{media_type}`", media_type=media_type))
        return cls(
            config=Descriptor.from_json(value.get("config"), "manifest config"),
            layers=tuple(Descriptor.from_json(item, "manifest layer") for item in layers),
            media_type=media_type,
            annotations=dict(value.get("annotations") or {}),
            artifact_type=str(value.get("artifactType") or ""),
            subject=Descriptor.from_json(subject, "manifest subject") if subject else None,
        )

    def to_bytes(self) -> bytes:
        made: dict[str, Any] = {"schemaVersion": 2, "mediaType": self.media_type}
        if self.artifact_type:
            made["artifactType"] = self.artifact_type
        made["config"] = self.config.to_json()
        made["layers"] = [layer.to_json() for layer in self.layers]
        if self.subject:
            made["subject"] = self.subject.to_json()
        if self.annotations:
            made["annotations"] = dict(sorted(self.annotations.items()))
        return canonical_json(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Several manifests under one digest, one for each platform."""

    manifests: tuple[Descriptor, ...]
    media_type: str = OCI_INDEX
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> Index:
        """Read the document.

        Raises:
            InvalidDocument: not an index of schema version 2.
        """
        value = load_document(data, "index")
        manifests = value.get("manifests")
        if value.get("schemaVersion") != 2 or not isinstance(manifests, list):
            raise InvalidDocument("index", text("expected schema version 2 and a list of manifests"))
        media_type = str(value.get("mediaType") or OCI_INDEX)
        if media_type not in INDEX_TYPES:
            raise InvalidDocument("index", text("unknown media type `{media_type}`", media_type=media_type))
        return cls(
            manifests=tuple(Descriptor.from_json(item, "index manifest") for item in manifests),
            media_type=media_type,
            annotations=dict(value.get("annotations") or {}),
        )

    def to_bytes(self) -> bytes:
        made: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [manifest.to_json() for manifest in self.manifests],
        }
        if self.annotations:
            made["annotations"] = dict(sorted(self.annotations.items()))
        return canonical_json(made)

    def select(self, platform: Platform, reference: str) -> Descriptor:
        """The first manifest for *platform*.

        Raises:
            PlatformMismatch: there is none; the message lists what there is.
        """
        for manifest in self.manifests:
            if manifest.platform and platform.accepts(manifest.platform):
                return manifest
        offered = ", ".join(
            str(item.platform) for item in self.manifests if item.platform and item.platform.os != "unknown"
        )
        raise PlatformMismatch(reference, str(platform), offered or "none")
