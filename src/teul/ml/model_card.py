"""The model card of a version: what it is, where it comes from, what it was measured at and who let it in.

Made from what is recorded and nothing else, so the same facts give the same card. Source for the headings: Mitchell et
al., "Model Cards for Model Reporting" (2019), as far as a machine can know the answers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from teul.errors import ArtifactNotFound, TrackingNotFound
from teul.ml import environment, record
from teul.ml.comparison import RESOURCE_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.values import ModelVersion, Run

FOLDER = "model_cards"
SHOWN_FILES = 50
LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Signature:
    """What an `MLmodel` says: columns as (name, type, is required), and an example as JSON text, "" for none."""

    inputs: tuple[tuple[str, str, bool], ...] = ()
    outputs: tuple[tuple[str, str, bool], ...] = ()
    params: tuple[tuple[str, str, bool], ...] = ()
    flavours: tuple[str, ...] = ()
    example: str = ""


def path_of(version: ModelVersion) -> str:
    """Where the card lies among the artifacts of the version's run."""
    return f"{FOLDER}/{version.name}-v{version.version}.md"


def read_signature(tracking: TrackingStore, version: ModelVersion) -> Signature:
    """Signature and example of a version whose files have an `MLmodel`; an empty one otherwise."""
    import yaml

    try:
        document = yaml.safe_load(tracking.read_version_file(version, "MLmodel", LIMIT_BYTES))
    except (ArtifactNotFound, yaml.YAMLError, UnicodeDecodeError):
        return Signature()
    if not isinstance(document, dict):
        return Signature()
    said = document.get("signature")
    said = said if isinstance(said, dict) else {}
    example = ""
    info = document.get("saved_input_example_info")
    if isinstance(info, dict) and isinstance(info.get("artifact_path"), str):
        try:
            example = tracking.read_version_file(version, info["artifact_path"], LIMIT_BYTES).decode(errors="replace")
        except ArtifactNotFound:
            example = ""
    flavours = document.get("flavors")
    inputs, outputs, params = (_columns(said.get(part)) for part in ("inputs", "outputs", "params"))
    names = tuple(sorted(flavours)) if isinstance(flavours, dict) else ()
    return Signature(inputs, outputs, params, names, example)


def _columns(value: Any) -> tuple[tuple[str, str, bool], ...]:
    """MLflow writes the columns as JSON in a string of the YAML."""
    try:
        items = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return ()
    if not isinstance(items, list):
        return ()
    made = []
    for item in items:
        if isinstance(item, dict):
            kind = item.get("type", "")
            tensor = item.get("tensor-spec")
            if isinstance(tensor, dict):
                kind = f"tensor {tensor.get('dtype', '')} {tensor.get('shape', '')}"
            made.append((str(item.get("name", "")), str(kind), bool(item.get("required", True))))
    return tuple(made)


def write(tracking: TrackingStore, version: ModelVersion) -> str:
    """The card as Markdown."""
    try:
        run = tracking.get_run(version.run_id) if version.run_id else None
    except TrackingNotFound:
        run = None
    parts = [f"# {_plain(version.name)}, version {version.version}"]
    if version.description:
        parts.append(version.description)
    parts.append(_details(tracking, version, run))
    parts += _interface(read_signature(tracking, version))
    if run is not None:
        parts += _training(run)
        parts += _measured(run)
    parts += _decisions(tracking, version)
    if run is not None:
        parts += _environment(tracking, run)
    files = tracking.version_files(version)
    if files:
        rows = [(path, f"{size:,}", str(digest)) for path, digest, size in files[:SHOWN_FILES]]
        more = f"\n\nand {len(files) - SHOWN_FILES} more" if len(files) > SHOWN_FILES else ""
        parts.append("## Files\n\n" + _table(("file", "bytes", "digest"), rows) + more)
    return "\n\n".join(parts) + "\n"


def _details(tracking: TrackingStore, version: ModelVersion, run: Run | None) -> str:
    rows = [
        ("registered", f"{_moment(version.creation_time)} by {version.user_id or 'unknown'}"),
        ("aliases", ", ".join(version.aliases)),
        ("project", version.tags.get("teul.project", "")),
        ("model digest", version.tags.get("teul.model", "")),
        ("trained in image", version.tags.get("teul.trained-in", "")),
        ("served by image", version.tags.get("teul.image", "")),
        ("run", run.id if run else ""),
        ("source", version.source),
    ]
    return _table(("", ""), [(name, value) for name, value in rows if value])


def _interface(signature: Signature) -> list[str]:
    parts = []
    for title, columns in (
        ("Inputs", signature.inputs),
        ("Outputs", signature.outputs),
        ("Parameters", signature.params),
    ):
        if columns:
            rows = [(name, kind, "yes" if needed else "no") for name, kind, needed in columns]
            parts.append(f"## {title}\n\n" + _table(("name", "type", "required"), rows))
    if signature.flavours:
        parts.append("Flavours: " + ", ".join(f"`{item}`" for item in signature.flavours))
    if signature.example:
        parts.append(f"## Input example\n\n{_fenced(signature.example[:4000], 'json')}")
    return parts


def _training(run: Run) -> list[str]:
    tags = run.tags
    rows = [
        ("began", _moment(run.start_time)),
        ("took", f"{(run.end_time - run.start_time) / 1000:.1f} s" if run.end_time else ""),
        ("command", tags.get(record.COMMAND_TAG, "")),
        ("commit", tags.get(record.COMMIT_TAG, "")),
        ("uncommitted changes", {"true": "yes", "false": "no"}.get(tags.get("teul.git.dirty", ""), "")),
        ("seed", tags.get(record.SEED_TAG, "")),
    ]
    rows += [
        (f"pin {key.removeprefix(record.PIN_TAG)}", value)
        for key, value in sorted(tags.items())
        if key.startswith(record.PIN_TAG)
    ]
    parts = ["## Training\n\n" + _table(("", ""), [row for row in rows if row[1]])]
    if run.params:
        parts.append("### Parameters\n\n" + _table(("name", "value"), sorted(run.params.items())))
    data = [
        (key.removeprefix(record.INPUT_TAG), value)
        for key, value in sorted(tags.items())
        if key.startswith(record.INPUT_TAG)
    ]
    data += [(item.name, item.digest) for item in run.datasets]
    if data:
        parts.append("### Data and code that it read\n\n" + _table(("name", "digest"), data))
    return parts


def _measured(run: Run) -> list[str]:
    rows = [
        (item.key, f"{item.value:.6g}")
        for item in sorted(run.metrics, key=lambda item: item.key)
        if not item.key.startswith(RESOURCE_PREFIX)
    ]
    return ["## Metrics\n\n" + _table(("metric", "value"), rows)] if rows else []


def _decisions(tracking: TrackingStore, version: ModelVersion) -> list[str]:
    parts = []
    if version.gate:
        rows = [
            ("passed" if line.get("passed") else "failed", str(line.get("gate", "")), str(line.get("reason", "")))
            for line in version.gate_report
        ]
        parts.append(
            f"## Gate: {version.gate}\n\n"
            + (_table(("", "gate", "because"), rows) if rows else "It has no conditions.")
        )
    said = tracking.approvals(version.name, version.version)
    if said:
        words = [(item.verdict, item.who, _moment(item.at), item.reason) for item in said]
        parts.append("## Approvals\n\n" + _table(("", "who", "when", "why"), words))
    return parts


def _environment(tracking: TrackingStore, run: Run) -> list[str]:
    found = environment.find(tracking, run.tags.get(record.IMAGE_TAG, ""))
    if found is None:
        return []
    rows = [(name, version) for kind, name, version, _, _ in found.packages if kind == "python"]
    others = len(found.packages) - len(rows)
    return [f"## Python packages\n\n{_table(('package', 'version'), rows)}\n\nand {others} packages of the system"]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(value: str) -> str:
    """*value* as one line of a table: it cannot end a cell, begin HTML or a link."""
    made = " ".join(value.split())
    for sign in "\\|`*[]":
        made = made.replace(sign, f"\\{sign}")
    return made.replace("<", "&lt;")


def _fenced(value: str, language: str) -> str:
    fence = "```"
    while fence in value:
        fence += "`"
    return f"{fence}{language}\n{value}\n{fence}"


def _moment(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(milliseconds / 1000))
