"""Attestations: how an image was made (SLSA provenance) and what is in it (SBOM), beside it and never part of it.

Laid out as BuildKit does: an index of the image's manifest and of a second one, whose layers are in-toto statements and
whose platform is `unknown/unknown`. The image's own manifest and digest are the same with and without.

Spec: SLSA v1.0 provenance; in-toto Statement v0.1 (what registries' viewers read); buildkit docs/attestations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from teul.oci.descriptor import OCI_CONFIG, OCI_MANIFEST, Descriptor, Platform
from teul.oci.digest import Digest
from teul.oci.image import Index, Manifest, canonical_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v0.1"
SLSA = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"
BUILD_TYPE = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
PREDICATE_TYPE = "in-toto.io/predicate-type"


@dataclass(frozen=True, slots=True)
class Attestations:
    """The predicates of one image, each with its type; *names* are what the statements speak about."""

    platform: Platform
    names: tuple[str, ...]
    predicates: tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True, slots=True)
class Attached:
    """What goes beside an image: the blobs, the attestation manifest, and the index over both."""

    blobs: tuple[bytes, ...]
    manifest: bytes
    index: bytes


def attach(attestations: Attestations, image: Descriptor) -> Attached:
    """Statements about *image* (a manifest's descriptor), and the index that joins them."""
    layers: list[Descriptor] = []
    blobs: list[bytes] = []
    subjects = _subjects(attestations, image.digest)
    for kind, predicate in attestations.predicates:
        statement = json.dumps(
            {"_type": STATEMENT, "predicateType": kind, "subject": subjects, "predicate": predicate}, indent=2
        ).encode()
        blobs.append(statement)
        layers.append(Descriptor(IN_TOTO, Digest.of(statement), len(statement), annotations={PREDICATE_TYPE: kind}))
    config = canonical_json(
        {
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        }
    )
    blobs.append(config)
    manifest = Manifest(config=Descriptor(OCI_CONFIG, Digest.of(config), len(config)), layers=tuple(layers)).to_bytes()
    described = Descriptor(
        OCI_MANIFEST,
        Digest.of(manifest),
        len(manifest),
        annotations={
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image.digest,
        },
        platform=Platform("unknown", "unknown"),
    )
    whole = Descriptor(image.media_type, image.digest, image.size_bytes, platform=attestations.platform)
    return Attached(tuple(blobs), manifest, Index(manifests=(whole, described)).to_bytes())


def _subjects(attestations: Attestations, digest: Digest) -> list[dict[str, Any]]:
    names = [
        f"pkg:docker/{name.removeprefix('docker.io/library/').removeprefix('docker.io/').replace(':', '@')}"
        f"?platform={str(attestations.platform).replace('/', '%2F')}"
        for name in attestations.names
    ] or ["_"]
    return [{"name": name, "digest": {"sha256": digest.hex}} for name in names]


def provenance(
    *,
    mode: str,
    builder: str,
    invocation: str,
    started: str,
    finished: str,
    request: Mapping[str, Any],
    platform: str,
    dependencies: Sequence[tuple[str, str]],
    is_complete: bool,
    steps: Sequence[Mapping[str, Any]] = (),
    source: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """SLSA v1's predicate. *dependencies*: (URI, sha256 digits); *mode* "max" adds the steps and the Dockerfile.

    Spec: slsa.dev/spec/v1.0/provenance.
    """
    internal: dict[str, Any] = {"builderPlatform": platform}
    metadata: dict[str, Any] = {"invocationId": invocation, "startedOn": started, "finishedOn": finished}
    metadata["buildkit_completeness"] = {"request": mode == "max", "resolvedDependencies": is_complete}
    if mode == "max":
        internal["buildConfig"] = {"steps": [dict(step) for step in steps]}
        if source is not None:
            metadata["buildkit_metadata"] = {
                "source": {"infos": [{"filename": source[0], "language": "Dockerfile", "data": source[1]}]}
            }
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "configSource": {"path": request.get("path", "Dockerfile")},
                "request": dict(request),
            },
            "internalParameters": internal,
            "resolvedDependencies": [
                {"uri": uri, "digest": {"sha256": digest}} if digest else {"uri": uri} for uri, digest in dependencies
            ],
        },
        "runDetails": {"builder": {"id": builder}, "metadata": metadata},
    }
