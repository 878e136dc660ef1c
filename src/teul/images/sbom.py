"""Bills of materials: packages as SPDX 2.3 or CycloneDX 1.6 documents. PURE: the same packages give the same document.

Spec: spdx.github.io/spdx-spec/v2.3; cyclonedx.org/docs/1.6/json.
"""

from __future__ import annotations

import hashlib
import uuid

from teul import __version__
from teul.images.packages import normal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from teul.images.packages import Package


def spdx(packages: Sequence[Package], *, name: str, digest: str, created: str) -> dict[str, Any]:
    """An SPDX 2.3 document about the image *name* with *digest* (`sha256:…`); *created* is RFC 3339."""
    described = "SPDXRef-DocumentRoot-Image"
    made: list[dict[str, Any]] = [
        {
            "name": name,
            "SPDXID": described,
            "versionInfo": digest,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "primaryPackagePurpose": "CONTAINER",
            "checksums": [{"algorithm": "SHA256", "checksumValue": digest.removeprefix("sha256:")}],
        }
    ]
    relations = [
        {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": described}
    ]
    for package in packages:
        identifier = _spdx_id(package)
        made.append(
            {
                "name": package.name,
                "SPDXID": identifier,
                "versionInfo": package.version,
                "downloadLocation": "NOASSERTION",
                "filesAnalyzed": False,
                "licenseConcluded": "NOASSERTION",
                "licenseDeclared": "NOASSERTION",
                "licenseComments": package.license,
                "sourceInfo": f"acquired package info from: /{package.place}",
                "externalRefs": [
                    {
                        "referenceCategory": "PACKAGE-MANAGER",
                        "referenceType": "purl",
                        "referenceLocator": package.purl,
                    }
                ],
            }
        )
        relations.append({"spdxElementId": described, "relationshipType": "CONTAINS", "relatedSpdxElement": identifier})
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"urn:teul:sbom:{digest}",
        "creationInfo": {"created": created, "creators": [f"Tool: teul-{__version__}"]},
        "packages": made,
        "relationships": relations,
    }


def _spdx_id(package: Package) -> str:
    mark = hashlib.sha256(f"{package.purl} {package.place}".encode()).hexdigest()[:16]
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in package.name)
    return f"SPDXRef-Package-{package.kind}-{name}-{mark}"


def cyclonedx(
    packages: Sequence[Package],
    *,
    name: str,
    digest: str,
    created: str,
    layers: Mapping[Package, str] | None = None,
) -> dict[str, Any]:
    """A CycloneDX 1.6 document, with the arguments of `spdx`; *layers* says which layer (diff id) has a package."""
    by_name: dict[tuple[str, str], list[str]] = {}
    for package in packages:
        by_name.setdefault((_folder(package), normal_name(package.name)), []).append(_reference(package))
    components = []
    needs: dict[str, list[str]] = {digest: []}
    for package in packages:
        properties = [{"name": "teul:location", "value": f"/{package.place}"}]
        layer = (layers or {}).get(package)
        if layer:
            properties.append({"name": "teul:layer", "value": layer})
        component: dict[str, Any] = {
            "bom-ref": _reference(package),
            "type": "library",
            "name": package.name,
            "version": package.version,
            "purl": package.purl,
            "properties": properties,
        }
        if package.license:
            component["licenses"] = [{"license": {"name": package.license}}]
        if component["bom-ref"] not in needs:
            components.append(component)
            needs[digest].append(component["bom-ref"])
            found = [item for wanted in package.requires for item in by_name.get((_folder(package), wanted), ())]
            needs[component["bom-ref"]] = sorted({*found} - {component["bom-ref"]})
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(digest.removeprefix('sha256:')[:32], version=4)}",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "tools": {"components": [{"type": "application", "name": "teul", "version": __version__}]},
            "component": {"bom-ref": digest, "type": "container", "name": name, "version": digest},
        },
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": found} for name, found in needs.items()],
    }


def _reference(package: Package) -> str:
    return f"{package.purl}#{package.place}"


def _folder(package: Package) -> str:
    """Where packages see each other: the folder of a `.dist-info`; Debian's all."""
    return package.place.rpartition("/")[0].rpartition("/")[0] if package.kind == "pypi" else package.kind
