"""A model version as an OCI artifact: pushed to any registry and pulled from it, each file a blob by its own digest.

The form is the one of the CNCF ModelPack specification (model-spec, "Model Artifact"), so other tools read it: a
manifest with `artifactType` `application/vnd.cncf.model.manifest.v1+json`, a config that describes the model, and a
layer for each file, uncompressed (`.raw`), so that a blob's digest is the file's and nothing is stored twice. Beside the
files of the model there are the model card and `version.json`: what teul knows of the version.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from teul.errors import InvalidInput, RegistryProtocolError, TrackingNotFound, text
from teul.events import Advance, Sink, Step, silent
from teul.oci.descriptor import OCI_MANIFEST, Descriptor
from teul.oci.digest import Digest
from teul.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from teul.engine import Engine
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.values import ModelVersion
    from teul.registry import RegistryClient

ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
WEIGHT_TYPE = "application/vnd.cncf.model.weight.v1.raw"
DOC_TYPE = "application/vnd.cncf.model.doc.v1.raw"
FILE_ANNOTATION = "org.cncf.model.filepath"
VERSION_FILE, CARD_FILE = "teul/version.json", "teul/README.md"
ORIGIN_TAG, ORIGIN_DIGEST_TAG = "teul.pulled-from", "teul.pulled-digest"
CONFIG_LIMIT_BYTES = 16 << 20
FILES_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Pushed:
    reference: str
    digest: Digest
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class Pulled:
    """*is_new* is False when the same manifest had been pulled before."""

    version: ModelVersion
    digest: Digest
    is_new: bool


def push(
    engine: Engine, tracking: TrackingStore, version: ModelVersion, reference: str, *, events: Sink = silent
) -> Pushed:
    """Send *version* to *reference*. What the registry has already is not sent.

    Raises:
        InvalidInput: the version has no files here, or the reference names a digest.
        RegistryUnavailable, Denied.
    """
    from teul.engine.images.pulling import open_client
    from teul.ml.promotion import keep_card

    target = Reference.parse(reference)
    if target.digest:
        raise InvalidInput(text("`{reference}`: a name to push to has a tag and no digest", reference=reference))
    files = tracking.version_files(version)
    if not files:
        raise InvalidInput(
            text("model `{name}` version {version} has no files here", name=version.name, version=version.version),
            hint=text("its source is {source}", source=version.source),
        )
    card = keep_card(tracking, version).encode()
    facts = _json(_facts(tracking, version))
    small = {Digest.of(data): data for data in (card, facts)}
    layers = [
        Descriptor(WEIGHT_TYPE, digest, size_bytes, {FILE_ANNOTATION: path}) for path, digest, size_bytes in files
    ]
    layers += [
        Descriptor(DOC_TYPE, Digest.of(data), len(data), {FILE_ANNOTATION: path})
        for path, data in ((CARD_FILE, card), (VERSION_FILE, facts))
    ]
    config_data = _json(_config(version, layers))
    config = Descriptor(CONFIG_TYPE, Digest.of(config_data), len(config_data))
    small[config.digest] = config_data
    sent = 0
    with open_client(engine) as client:
        for descriptor in (config, *layers):
            if _send(client, target, descriptor, tracking, small, events):
                sent += descriptor.size_bytes
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": ARTIFACT_TYPE,
                "config": config.to_json(),
                "layers": [layer.to_json() for layer in layers],
                "annotations": {
                    "org.opencontainers.image.title": version.name,
                    "org.opencontainers.image.version": str(version.version),
                },
            }
        )
        digest = client.put_manifest(target, manifest, OCI_MANIFEST)
    return Pushed(str(target), digest, sent)


def _send(
    client: RegistryClient,
    target: Reference,
    descriptor: Descriptor,
    tracking: TrackingStore,
    small: Mapping[Digest, bytes],
    events: Sink,
) -> bool:
    name = descriptor.annotations.get(FILE_ANNOTATION, "config")
    if client.has_blob(target, descriptor.digest):
        return False

    def chunks() -> Iterator[bytes]:
        if descriptor.digest in small:
            yield small[descriptor.digest]
            return
        with tracking.content.open(descriptor.digest) as reader:
            done = 0
            while data := reader.read(1 << 20):
                yield data
                done += len(data)
                events(Advance(name, done, descriptor.size_bytes))

    events(Step(name, name, "started"))
    try:
        client.upload_blob(target, descriptor, chunks)
    except BaseException as error:
        events(Step(name, name, "failed", error=str(error)))
        raise
    events(Step(name, name, "done"))
    return True


def _facts(tracking: TrackingStore, version: ModelVersion) -> dict[str, Any]:
    """What teul knows of a version: enough to show, judge and compare it elsewhere."""
    made: dict[str, Any] = {
        "name": version.name,
        "version": version.version,
        "description": version.description or "",
        "created": version.creation_time,
        "gate": version.gate,
        "gateReport": [dict(line) for line in version.gate_report],
        "approvals": [
            {"verdict": item.verdict, "who": item.who, "why": item.reason, "at": item.at}
            for item in tracking.approvals(version.name, version.version)
        ],
        "tags": {key: value for key, value in version.tags.items() if key not in (ORIGIN_TAG, ORIGIN_DIGEST_TAG)},
    }
    try:
        run = tracking.get_run(version.run_id) if version.run_id else None
    except TrackingNotFound:
        run = None
    if run is not None:
        made["run"] = {
            "id": run.id,
            "name": run.name,
            "params": dict(run.params),
            "metrics": {item.key: repr(item.value) for item in run.metrics},
            "tags": dict(run.tags),
            "start": run.start_time,
            "end": run.end_time,
        }
    return made


def _config(version: ModelVersion, layers: Sequence[Descriptor]) -> dict[str, Any]:
    """Spec: model-spec, config.md."""
    import time

    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(version.creation_time / 1000))
    return {
        "descriptor": {
            "createdAt": created,
            "name": version.name,
            "version": str(version.version),
            "revision": version.tags.get("teul.model", ""),
            **({"description": version.description} if version.description else {}),
        },
        "modelfs": {"type": "layers", "diffIds": [str(layer.digest) for layer in layers]},
        "config": {},
    }


def pull(
    engine: Engine,
    tracking: TrackingStore,
    reference: str,
    *,
    name: str = "",
    who: str,
    events: Sink = silent,
) -> Pulled:
    """Fetch a model artifact and register it as a new version of *name* ("" is the name it had).

    A gate that failed there has failed here too. Approvals are shown on the card and count only where they were given.

    Raises:
        InvalidInput: what is there is no model artifact.
        NotFound, Corrupt, RegistryUnavailable, Denied.
    """
    from teul.engine.images.pulling import open_client
    from teul.state.leases import lease

    source = Reference.parse(reference)
    with open_client(engine) as client, lease(engine.db) as held:
        document = client.manifest(source)
        digest = document.descriptor.digest
        files, facts = _read(client, source, document.data, reference)
        wanted = name or str(facts.get("name") or "") or posixpath.basename(source.path)
        found = _pulled_before(tracking, wanted, digest)
        if found is not None:
            return Pulled(found, digest, False)
        for path, descriptor in files.items():
            held.add("blob", descriptor.digest)
            _fetch(client, source, path, descriptor, tracking, events)
        return Pulled(_register(tracking, wanted, files, facts, source, digest, who), digest, True)


def _read(
    client: RegistryClient, source: Reference, data: bytes, reference: str
) -> tuple[dict[str, Descriptor], dict[str, Any]]:
    """The files of a manifest by path, and `version.json` ({} when other tools made the artifact)."""
    from teul.ml.tracking.artifacts import check_path

    try:
        manifest = json.loads(data)
        if manifest.get("artifactType") != ARTIFACT_TYPE:
            raise InvalidInput(
                text(
                    "`{reference}` is no model: its type is `{kind}`",
                    reference=reference,
                    kind=manifest.get("artifactType") or manifest.get("mediaType"),
                ),
                hint=text("teul pull {reference}", reference=reference),
            )
        layers = [Descriptor.from_json(item) for item in manifest["layers"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise RegistryProtocolError(
            text("`{reference}`: its manifest cannot be read: {problem}", reference=reference, problem=error)
        ) from error
    files: dict[str, Descriptor] = {}
    facts: dict[str, Any] = {}
    if len(layers) > FILES_LIMIT:
        raise InvalidInput(
            text(
                "`{reference}` has {count} files; expected at most {limit}",
                reference=reference,
                count=len(layers),
                limit=FILES_LIMIT,
            )
        )
    for layer in layers:
        path = check_path(layer.annotations.get(FILE_ANNOTATION, "") or f"blob-{layer.digest.hex[:12]}")
        if not layer.media_type.endswith(".raw"):
            raise InvalidInput(
                text(
                    "`{reference}`: `{path}` is packed as `{kind}`; only `.raw` is read",
                    reference=reference,
                    path=path,
                    kind=layer.media_type,
                )
            )
        if path == VERSION_FILE:
            if layer.size_bytes > CONFIG_LIMIT_BYTES:
                raise InvalidInput(text("`{reference}`: `{path}` is too large", reference=reference, path=path))
            read = json.loads(client.blob(source, layer))
            facts = read if isinstance(read, dict) else {}
        elif path != CARD_FILE:
            files[path] = layer
    if not files:
        raise InvalidInput(text("`{reference}` has no files", reference=reference))
    return files, facts


def _fetch(
    client: RegistryClient, source: Reference, path: str, descriptor: Descriptor, tracking: TrackingStore, events: Sink
) -> None:
    if tracking.content.has(descriptor.digest):
        return
    events(Step(path, path, "started"))
    try:
        key = descriptor.digest.hex
        with tracking.content.ingest(expected=descriptor.digest, size_bytes=descriptor.size_bytes, key=key) as writer:
            client.fetch_blob(
                source,
                descriptor,
                writer,
                on_bytes=lambda _: events(Advance(path, writer.offset, descriptor.size_bytes)),
            )
            writer.commit()
    except BaseException as error:
        events(Step(path, path, "failed", error=str(error)))
        raise
    events(Step(path, path, "done"))


def _pulled_before(tracking: TrackingStore, name: str, digest: Digest) -> ModelVersion | None:
    try:
        versions = tracking.versions_of(name)
    except TrackingNotFound:
        return None
    return next((item for item in versions if item.tags.get(ORIGIN_DIGEST_TAG) == str(digest)), None)


def _register(
    tracking: TrackingStore,
    name: str,
    files: Mapping[str, Descriptor],
    facts: Mapping[str, Any],
    source: Reference,
    digest: Digest,
    who: str,
) -> ModelVersion:
    """A run that stands for the one elsewhere, with its params and metrics, and the version on top of its files."""
    from teul.ml.record import OUTS

    told = facts.get("run")
    there: Mapping[str, Any] = told if isinstance(told, dict) else {}
    tags = {
        str(key): str(value) for key, value in _mapping(there.get("tags")).items() if not str(key).startswith("mlflow.")
    }
    origin = {ORIGIN_TAG: str(source), ORIGIN_DIGEST_TAG: str(digest)}
    with tracking.db.write():
        run = tracking.create_run(
            tracking.ensure_experiment(name),
            run_name=str(there.get("name") or f"pull {name}"),
            tags={**tags, **origin, **({"teul.pulled-run": str(there["id"])} if there.get("id") else {})},
            user_id=who,
            start_time=_moment(there.get("start")),
        )
        for path, descriptor in files.items():
            tracking.name_artifact(run.id, f"{OUTS}/{path}", descriptor.digest, descriptor.size_bytes)
        params = _mapping(there.get("params"))
        tracking.log_params(run.id, {str(key): str(value) for key, value in params.items()})
        metrics = _mapping(there.get("metrics"))
        tracking.log_metrics(run.id, {str(key): float(value) for key, value in metrics.items()})
        tracking.end_run(run.id, end_time=_moment(there.get("end")))
        tracking.ensure_registered_model(name)
        version = tracking.create_model_version(
            name,
            f"{run.artifact_uri}/{OUTS}",
            run_id=run.id,
            description=str(facts.get("description") or ""),
            tags={**{str(key): str(value) for key, value in _mapping(facts.get("tags")).items()}, **origin},
            user_id=who,
        )
        if facts.get("gate") in ("passed", "failed"):
            report = facts.get("gateReport")
            lines = [line for line in report if isinstance(line, dict)] if isinstance(report, list) else []
            tracking.set_gate(name, version.version, facts["gate"] == "passed", lines)
        return tracking.get_model_version(name, version.version)


def _moment(value: object) -> int | None:
    """A time (ms since 1970) as somebody else wrote it down, or None."""
    return value if isinstance(value, int) and 0 < value < 1 << 53 else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
