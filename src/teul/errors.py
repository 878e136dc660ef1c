"""Every error that teul raises, and the `Text` they are written with; imports nothing of teul.

Families are by what the caller can do about it, leaves by noun::

    TeulError                     code, message, hint
    ├─ NotFound                   BlobNotFound · ImageNotFound · ContainerNotFound · SnapshotNotFound · …
    ├─ AlreadyExists              NameInUse · …
    ├─ InvalidInput               InvalidReference · InvalidDigest · DockerfileError(span) · ProjectError(span) · …
    ├─ Conflict                   SnapshotInUse · ContainerRunning · PortInUse · GateFailed · NotApproved · …
    ├─ Corrupt                    DigestMismatch · SizeMismatch · MalformedLayer · UnsafePath
    ├─ Denied                     Unauthorized · Forbidden
    ├─ Unavailable                RegistryUnavailable · SourceUnavailable · StoreLocked   (the only family that is ever retried)
    ├─ Unsupported                HostLacks(feature) · OptionUnsupported(name) · PlatformMismatch
    ├─ CommandFailed              RuntimeFailed · BuildStepFailed · StepFailed · NotReady
    └─ Cancelled

A message is lower case, names the object first, says *expected X, got Y*, and has no final period. A leaf
carries its data as attributes; callers never read the text.
"""

from __future__ import annotations


class Text(str):
    """A message in English that remembers the template and the values it was made from.

    The command line's edge translates by template, so every layer can speak without knowing a language.
    """

    __slots__ = ("template", "values")

    template: str
    values: dict[str, object]


def text(template: str, /, **values: object) -> Text:
    """Fill *template* (`str.format` syntax) and remember both parts for translation."""
    made = Text(template.format(**values) if values else template)
    made.template = template
    made.values = values
    return made


class Span:
    """A place in a text file: lines and columns count from 1; `column` and `end_column` may be 0 for "whole line"."""

    __slots__ = ("column", "end_column", "end_line", "line", "path", "source")

    def __init__(
        self, path: str, line: int, *, column: int = 0, end_line: int = 0, end_column: int = 0, source: str = ""
    ) -> None:
        self.path = path
        self.line = line
        self.column = column
        self.end_line = end_line or line
        self.end_column = end_column
        self.source = source
        """The text of the line, without its line end, so that an error can be shown with a caret."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" + (f":{self.column}" if self.column else "")


class TeulError(Exception):
    """The root. `code` is unique and stable; `hint` is the next command to type, or None."""

    code = "error"
    span: Span | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return str(self.message)


class NotFound(TeulError, LookupError):
    code = "not-found"


class AlreadyExists(TeulError):
    code = "already-exists"


class InvalidInput(TeulError, ValueError):
    code = "invalid-input"


class Conflict(TeulError):
    code = "conflict"


class Corrupt(TeulError):
    code = "corrupt"


class Denied(TeulError):
    code = "denied"


class Unavailable(TeulError):
    """Try again later; `retry_after_s` is the other side's wish, or None."""

    code = "unavailable"
    retry_after_s: float | None = None


class Unsupported(TeulError):
    code = "unsupported"


class CommandFailed(TeulError):
    """A process ended badly; `argv`, `exit_code` and the end of its stderr are kept."""

    code = "command-failed"

    def __init__(
        self,
        message: str,
        *,
        argv: tuple[str, ...] = (),
        exit_code: int = 1,
        stderr_tail: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.argv = argv
        self.exit_code = exit_code
        self.stderr_tail = stderr_tail


class Cancelled(TeulError):
    code = "cancelled"


class Detached(TeulError):
    """The user typed the keys that leave a process running."""

    code = "detached"

    def __init__(self) -> None:
        super().__init__(text("read escape sequence"))


class BlobNotFound(NotFound):
    code = "blob-not-found"

    def __init__(self, digest: str) -> None:
        super().__init__(text("blob `{digest}` not found", digest=digest))
        self.digest = digest


class SnapshotNotFound(NotFound):
    code = "snapshot-not-found"

    def __init__(self, key: str) -> None:
        super().__init__(text("snapshot `{key}` not found", key=key))
        self.key = key


class ImageNotFound(NotFound):
    code = "image-not-found"

    def __init__(self, reference: str, *, hint: str | None = None) -> None:
        super().__init__(
            text("image `{reference}` not found", reference=reference),
            hint=hint or text("teul pull {reference}", reference=reference),
        )
        self.reference = reference


class ContainerNotFound(NotFound):
    code = "container-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(text("no such container: {name}", name=name), hint=text("teul ps -a"))
        self.name = name


class NetworkNotFound(NotFound):
    code = "network-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(
            text("network `{name}` not found", name=name), hint=text("teul network create {name}", name=name)
        )
        self.name = name


class VolumeNotFound(NotFound):
    code = "volume-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(
            text("volume `{name}` not found", name=name), hint=text("teul volume create {name}", name=name)
        )
        self.name = name


class ModelNotFound(NotFound):
    code = "model-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(text("model `{name}` not found", name=name), hint=text("teul models ls"))
        self.name = name


class NameInUse(AlreadyExists):
    code = "name-in-use"

    def __init__(self, kind: str, name: str, *, owner: str = "") -> None:
        super().__init__(text("{kind} name `{name}` is already in use by {owner}", kind=kind, name=name, owner=owner))
        self.kind = kind
        self.name = name
        self.owner = owner


class InvalidReference(InvalidInput):
    code = "invalid-reference"

    def __init__(self, value: str, reason: str) -> None:
        super().__init__(text("image reference `{value}`: {reason}", value=value, reason=reason))
        self.value = value


class InvalidDigest(InvalidInput):
    code = "invalid-digest"

    def __init__(self, value: str) -> None:
        super().__init__(
            text("digest `{value}`: expected `sha256:` and 64 lower-case hexadecimal digits", value=value[:100])
        )
        self.value = value


class InvalidDocument(InvalidInput):
    """A JSON document of a specification (manifest, config, index …) that is not what the specification says."""

    code = "invalid-document"

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(text("{kind}: {reason}", kind=kind, reason=reason))
        self.kind = kind


class UsageError(InvalidInput):
    """A command line that does not parse; Docker's exit code for it is 125 under `run`, 1 elsewhere."""

    code = "usage"


class DockerfileError(InvalidInput):
    code = "dockerfile"

    def __init__(self, message: str, *, span: Span | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.span = span


class ProjectError(InvalidInput):
    code = "project"

    def __init__(self, message: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.span = span


class GateError(InvalidInput):
    """A gate that does not parse; `start` and `end` are offsets (characters) into its text."""

    code = "gate"

    def __init__(self, message: str, start: int, end: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.start = start
        self.end = end


class SnapshotInUse(Conflict):
    code = "snapshot-in-use"

    def __init__(self, key: str, user: str) -> None:
        super().__init__(text("snapshot `{key}` is in use by {user}", key=key, user=user))
        self.key = key
        self.user = user


class ContainerRunning(Conflict):
    code = "container-running"

    def __init__(self, name: str, *, hint: str | None = None) -> None:
        super().__init__(
            text("container `{name}` is running", name=name), hint=hint or text("teul stop {name}", name=name)
        )
        self.name = name


class ContainerRestarting(Conflict):
    code = "container-restarting"

    def __init__(self, name: str) -> None:
        super().__init__(
            text("container `{name}` is restarting: stop it before removing it, or force its removal", name=name),
            hint=text("teul stop {name}, or teul rm --force {name}", name=name),
        )
        self.name = name


class ContainerNotRunning(Conflict):
    code = "container-not-running"

    def __init__(self, name: str) -> None:
        super().__init__(
            text("container `{name}` is not running", name=name), hint=text("teul start {name}", name=name)
        )
        self.name = name


class ImageInUse(Conflict):
    code = "image-in-use"

    def __init__(self, name: str, user: str) -> None:
        super().__init__(text("image `{name}` is in use by {user}", name=name, user=user))
        self.name = name
        self.user = user


class PortInUse(Conflict):
    code = "port-in-use"

    def __init__(self, port: int, *, holder: str, free: int) -> None:
        super().__init__(
            text("port {port} is held by {holder}: port is already allocated", port=port, holder=holder),
            hint=text("port {free} is free", free=free),
        )
        self.port = port
        self.holder = holder
        self.free = free


class ContextChanged(Conflict):
    """A file of a build's context was written to between the look at its content and the copy of it."""

    code = "context-changed"

    def __init__(self, path: str) -> None:
        super().__init__(text("`{path}` changed while it was copied", path=path))
        self.path = path


class GateFailed(Conflict):
    code = "gate-failed"


class NotApproved(Conflict):
    code = "not-approved"


class DigestMismatch(Corrupt):
    code = "digest-mismatch"

    def __init__(self, expected: str, actual: str, *, what: str = "blob") -> None:
        super().__init__(
            text("{what}: expected `{expected}`, got `{actual}`", what=what, expected=expected, actual=actual)
        )
        self.expected = expected
        self.actual = actual


class SizeMismatch(Corrupt):
    code = "size-mismatch"

    def __init__(self, digest: str, expected: int, actual: int) -> None:
        super().__init__(
            text(
                "blob `{digest}`: expected {expected} bytes, got {actual}",
                digest=digest,
                expected=expected,
                actual=actual,
            )
        )
        self.digest = digest
        self.expected = expected
        self.actual = actual


class MalformedLayer(Corrupt):
    code = "malformed-layer"

    def __init__(self, reason: str) -> None:
        super().__init__(text("layer: {reason}", reason=reason))
        self.reason = reason


class MalformedArchive(Corrupt):
    """An archive of images that is none, or is damaged."""

    code = "malformed-archive"

    def __init__(self, reason: str) -> None:
        super().__init__(text("archive: {reason}", reason=reason))
        self.reason = reason


class MalformedSpecification(Corrupt):
    """A specification of devices (CDI) that is none."""

    code = "malformed-specification"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(text("CDI specification `{path}`: {reason}", path=path, reason=reason))
        self.path = path
        self.reason = reason


class UnsafePath(Corrupt):
    code = "unsafe-path"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(text("path `{path}`: {reason}", path=path, reason=reason))
        self.path = path
        self.reason = reason


class UnusualWheel(InvalidInput):
    """A wheel asks for what only pip itself does: its command is run."""

    code = "unusual-wheel"


class NoInterpreter(InvalidInput):
    """A program of a stage is not a Python that could be asked what it is."""

    code = "no-interpreter"


class NoUploadTimes(InvalidInput):
    """An index that does not say when its files were uploaded; what it held on a day cannot be told."""

    code = "no-upload-times"


class LockError(InvalidInput):
    """A `teul.lock` that cannot be read, or that cannot be obeyed."""

    code = "invalid-lock"


class BrokenEnvironment(InvalidInput):
    """Two packages of a project's image do not fit together: one is compiled against another version of the other."""

    code = "broken-environment"


class Unauthorized(Denied):
    code = "unauthorized"


class Forbidden(Denied):
    code = "forbidden"


class UntrustedRegistry(Denied):
    """The registry's certificate is not one that this host trusts, or it does not speak TLS at all."""

    code = "untrusted-registry"


class RegistryProtocolError(Corrupt):
    """The registry's answer is not what the distribution specification says."""

    code = "registry-protocol"


class RegistryUnavailable(Unavailable):
    """`is_unreachable`: not even a connection was made (no name, refused, no route)."""

    code = "registry-unavailable"
    is_unreachable = False


class SourceUnavailable(Unavailable):
    """A URL or a git repository that a build needs cannot be reached."""

    code = "source-unavailable"


class StoreLocked(Unavailable):
    code = "store-locked"


class HostLacks(Unsupported):
    """The host has not got *feature*; the hint is the command that mends it."""

    code = "host-lacks"

    def __init__(self, feature: str, *, hint: str | None = None) -> None:
        super().__init__(text("this host lacks {feature}", feature=feature), hint=hint or text("teul doctor"))
        self.feature = feature


class MountFailed(Unsupported):
    """The kernel refused a mount; `reason` holds what it said."""

    code = "mount-failed"

    def __init__(self, kind: str, target: str, reason: str, *, errno: int = 0) -> None:
        super().__init__(
            text("mount of {kind} on `{target}`: {reason}", kind=kind, target=target, reason=reason),
            hint=text("teul doctor"),
        )
        self.kind = kind
        self.target = target
        self.reason = reason
        self.errno = errno


class OptionUnsupported(Unsupported):
    """An option that Docker has and teul does not honour; never dropped in silence."""

    code = "option-unsupported"

    def __init__(self, name: str, *, hint: str | None = None) -> None:
        super().__init__(text("option `{name}` is not supported", name=name), hint=hint)
        self.name = name


class PlatformMismatch(Unsupported):
    code = "platform-mismatch"

    def __init__(self, reference: str, expected: str, actual: str) -> None:
        super().__init__(
            text(
                "image `{reference}`: expected platform {expected}, got {actual}",
                reference=reference,
                expected=expected,
                actual=actual,
            )
        )
        self.reference = reference
        self.expected = expected
        self.actual = actual


class UnknownBase(Unsupported):
    """A base image that cannot be made from Debian's packages; *offered* can."""

    code = "unknown-base"

    def __init__(self, reference: str, offered: tuple[str, ...], *, hint: str | None = None) -> None:
        super().__init__(
            text(
                "`{reference}` cannot be made from Debian's packages; these can: {offered}",
                reference=reference,
                offered=", ".join(offered),
            ),
            hint=hint,
        )
        self.reference = reference
        self.offered = offered


class BootstrapFailed(CommandFailed):
    """mmdebstrap, apt or pip could not make the base image."""

    code = "bootstrap-failed"


class RuntimeFailed(CommandFailed):
    code = "runtime-failed"


class BuildStepFailed(CommandFailed):
    code = "build-step-failed"

    def __init__(
        self,
        message: str,
        *,
        span: Span | None = None,
        argv: tuple[str, ...] = (),
        exit_code: int = 1,
        stderr_tail: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, argv=argv, exit_code=exit_code, stderr_tail=stderr_tail, hint=hint)
        self.span = span


class NotReady(CommandFailed):
    """A serving container that ended, or did not answer in time; it was taken away again."""

    code = "not-ready"


class StepFailed(CommandFailed):
    """A pipeline step's container ended with a code other than 0; nothing of it was registered."""

    code = "step-failed"


class TrackingNotFound(NotFound):
    """An experiment, run, logged model, version or tag that MLflow's API was asked for; the words are MLflow's."""

    code = "tracking-not-found"


class TrackingExists(AlreadyExists):
    """A name of an experiment or a registered model that is taken; the words are MLflow's."""

    code = "tracking-exists"


class TrackingInvalid(InvalidInput):
    """A value that MLflow's API refuses; the words are MLflow's."""

    code = "tracking-invalid"


class TrackingState(Conflict):
    """Something that is not in the state the call needs; the words are MLflow's."""

    code = "tracking-state"


class ArtifactNotFound(NotFound):
    code = "artifact-not-found"

    def __init__(self, path: str) -> None:
        super().__init__(text("artifact `{path}` not found", path=path))
        self.path = path


class ExperimentNotFound(NotFound):
    code = "experiment-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(text("experiment `{name}` not found", name=name), hint=text("teul runs"))
        self.name = name


class RunNotFound(NotFound):
    code = "run-not-found"

    def __init__(self, run_id: str) -> None:
        super().__init__(text("run `{run_id}` not found", run_id=run_id), hint=text("teul runs"))
        self.run_id = run_id
