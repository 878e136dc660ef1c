"""Two runs, and what is different between them, named: a package, a layer, a file, a param, a pin. `compare` is pure.

`read_facts` collects what the comparison looks at. A folder that was an input is compared file by file where the run
kept its listing (`teul.ml.record`), as a whole otherwise.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from teul.errors import ArtifactNotFound, CommandFailed, HostLacks
from teul.ml import environment, record
from teul.ml.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.values import Run

AREAS = (
    "image", "package", "layer", "setting", "code", "command", "input", "dataset", "param", "seed", "pin", "host",
    "metric", "resource", "output", "artifact", "tag",
)  # fmt: skip
"""What a difference can be about, causes before effects."""
RESOURCE_PREFIX = "system/"
_OWN_TAGS = ("mlflow.", "teul.")
_DIFF_HEAD = re.compile(r'^diff --git "?a/(.*?)"? "?b/(.*?)"?$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same; "" is "not there". *note* says where it is (a layer, a commit)."""

    area: str
    name: str
    before: str
    after: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is compared of one run. *inputs* are listings: path → file in it ("" for itself) → digest."""

    run: Run
    experiment: str
    environment: Environment | None = None
    diff: str = ""
    untracked: tuple[str, ...] = ()
    inputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def read_facts(tracking: TrackingStore, wanted: str, engine: Engine | None = None) -> Facts:
    """The facts of the run *wanted* (id, first digits, name). Raises: RunNotFound."""
    from teul.ml.tracking.sources import artifact_path

    run = tracking.find_run(wanted)
    is_here = artifact_path(run.artifact_uri) is not None
    inputs = {
        key.removeprefix(record.INPUT_TAG): {"": digest}
        for key, digest in run.tags.items()
        if key.startswith(record.INPUT_TAG)
    }
    diff = untracked = b""
    if is_here:
        inputs |= _listings(tracking, run.id)
        diff, untracked = (_read(tracking, run.id, path) for path in (record.DIFF_FILE, record.UNTRACKED_FILE))
    return Facts(
        run,
        tracking.get_experiment(run.experiment_id).name,
        environment.find(tracking, run.tags.get(record.IMAGE_TAG, ""), engine),
        diff.decode(errors="replace"),
        tuple(untracked.decode(errors="replace").split("\n")[:-1]),
        inputs,
        {path: str(digest) for path, digest, _ in tracking.walk_artifacts(run.id)} if is_here else {},
    )


def _listings(tracking: TrackingStore, run_id: str) -> dict[str, dict[str, str]]:
    from teul.ml.trees import Tree

    data = _read(tracking, run_id, record.INPUTS_FILE)
    return {
        path: {entry.path: f"{entry.content}{' +x' if entry.kind == 'executable' else ''}" for entry in tree.entries
               if entry.content}
        for path, tree in ((path, Tree.from_json(value)) for path, value in (json.loads(data) if data else {}).items())
    }  # fmt: skip


def _read(tracking: TrackingStore, run_id: str, path: str) -> bytes:
    try:
        return tracking.read_artifact(run_id, path)
    except ArtifactNotFound:
        return b""


def compare(before: Facts, after: Facts) -> list[Difference]:
    """Everything that differs, causes first (the order of `AREAS`), then by name."""
    made = [
        *_image(before, after),
        *_code(before, after),
        *_tags(before.run.tags, after.run.tags),
        *_inputs(before, after),
        *_mapping("dataset", _datasets(before.run), _datasets(after.run)),
        *_mapping("param", before.run.params, after.run.params),
        *_metrics(before.run, after.run),
        *_files(before.files, after.files),
    ]
    return sorted(made, key=lambda item: (AREAS.index(item.area), item.name))


def _image(before: Facts, after: Facts) -> Iterator[Difference]:
    one, other = (facts.run.tags.get(record.IMAGE_TAG, "") for facts in (before, after))
    if one == other:
        return
    yield Difference("image", "image", one, other)
    if before.environment is None or after.environment is None:
        return
    old, new = before.environment, after.environment
    words = dict((*old.layers, *new.layers))
    packages: list[dict[tuple[str, str, str], tuple[str, str]]] = [
        {(kind, name, place): (version, layer) for kind, name, version, layer, place in item.packages}
        for item in (old, new)
    ]
    for key in sorted({*packages[0], *packages[1]}):
        (was, was_in), (is_now, is_in) = (item.get(key, ("", "")) for item in packages)
        if was != is_now:
            yield Difference("package", key[1], was, is_now, f"{key[0]}, layer {short(is_in or was_in)}")
    gone = [layer for layer, _ in old.layers if layer not in {item for item, _ in new.layers}]
    come = [layer for layer, _ in new.layers if layer not in {item for item, _ in old.layers}]
    # A layer that was made by the same words is the same layer, changed.
    for layer in gone:
        twin = next((item for item in come if words[item] and words[item] == words[layer]), "")
        if twin:
            come.remove(twin)
        yield Difference("layer", words[layer] or short(layer), layer, twin)
    for layer in come:
        yield Difference("layer", words[layer] or short(layer), "", layer)
    yield from _mapping("setting", old.settings, new.settings)


def _code(before: Facts, after: Facts) -> Iterator[Difference]:
    one, other = (facts.run.tags.get(record.COMMIT_TAG, "") for facts in (before, after))
    if one != other:
        yield Difference("code", "commit", one, other)
        for status, name in changed_files(after.run.tags.get("mlflow.source.name", ""), one, other):
            yield Difference("code", name, "" if status == "A" else one, "" if status == "D" else other, "committed")
    old, new = _sections(before.diff), _sections(after.diff)
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            was, is_now = (_counted(item.get(name)) for item in (old, new))
            yield Difference("code", name, was, is_now, "uncommitted")
    for name in sorted(set(before.untracked) ^ set(after.untracked)):
        there = name in before.untracked
        yield Difference("code", name, "untracked" if there else "", "" if there else "untracked", "not in git")


def changed_files(folder: str, before: str, after: str) -> list[tuple[str, str]]:
    """(status letter, path) of what changed between two commits, when *folder* is a repository that has them."""
    commit = re.compile(r"[0-9a-f]{7,64}")
    if not (folder and commit.fullmatch(before) and commit.fullmatch(after)):
        return []
    try:
        said = record.ask_git(folder, "diff", "--no-ext-diff", "--no-renames", "--name-status", "-z", before, after)
    except (CommandFailed, HostLacks, OSError):
        return []
    words = said.decode(errors="replace").split("\0")
    return list(zip(words[::2], words[1::2], strict=False))


def _sections(diff: str) -> dict[str, str]:
    """A diff cut by file."""
    heads = list(_DIFF_HEAD.finditer(diff))
    ends = [*(head.start() for head in heads[1:]), len(diff)]
    return {head.group(2): diff[head.start() : end] for head, end in zip(heads, ends, strict=False)}


def _counted(section: str | None) -> str:
    """`+3 -1` of a file's part of a diff; "" for none, that is, as it was committed."""
    if section is None:
        return ""
    lines = section.splitlines()
    if "GIT binary patch" in lines:
        return "binary"
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    return f"+{added} -{removed}"


def _tags(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for prefix, area in record.COMPARED_TAGS.items():
        yield from _mapping(area, _below(before, prefix), _below(after, prefix))
    yield from _mapping("tag", *({k: v for k, v in tags.items() if not k.startswith(_OWN_TAGS)}
                                 for tags in (before, after)))  # fmt: skip


def _below(tags: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The tags that *prefix* means: those below it by the rest of their name, or itself by its last word."""
    if not prefix.endswith("."):
        return {prefix.rpartition(".")[2]: tags[prefix]} if prefix in tags else {}
    return {key.removeprefix(prefix): value for key, value in tags.items() if key.startswith(prefix)}


def _inputs(before: Facts, after: Facts) -> Iterator[Difference]:
    for path in sorted({*before.inputs, *after.inputs}):
        old, new = before.inputs.get(path, {}), after.inputs.get(path, {})
        if path in before.inputs and path in after.inputs and ("" in old) != ("" in new):
            # One of them kept no listing: the digests of the whole are all that can be compared.
            old, new = ({"": facts.run.tags.get(record.INPUT_TAG + path, "")} for facts in (before, after))
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                yield Difference("input", f"{path}/{name}".rstrip("/"), old.get(name, ""), new.get(name, ""))


def _metrics(before: Run, after: Run) -> Iterator[Difference]:
    old, new = ({item.key: item.value for item in run.metrics} for run in (before, after))
    for key in sorted({*old, *new}):
        one, other = old.get(key), new.get(key)
        if one == other or (one is not None and other is not None and math.isnan(one) and math.isnan(other)):
            continue
        area = "resource" if key.startswith(RESOURCE_PREFIX) else "metric"
        note = ""
        if one is not None and other is not None and math.isfinite(one) and math.isfinite(other):
            note = f"{other - one:+.4g}" + (f" ({(other - one) / abs(one):+.1%})" if one else "")
        was, is_now = ("" if value is None else f"{value:.6g}" for value in (one, other))
        yield Difference(area, key, was, is_now, note)


def _files(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for made in _mapping("artifact", before, after):
        if made.name in (record.DIFF_FILE, record.UNTRACKED_FILE, record.INPUTS_FILE):
            continue
        if made.name.startswith(f"{record.OUTS}/"):
            yield Difference("output", made.name.removeprefix(f"{record.OUTS}/"), made.before, made.after)
        else:
            yield made


def _datasets(run: Run) -> dict[str, str]:
    return {
        f"{item.name} {dict(item.tags).get('mlflow.data.context', '')}".strip(): item.digest for item in run.datasets
    }


def _mapping(area: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield Difference(area, key, before.get(key, ""), after.get(key, ""))


def short(value: str) -> str:
    """A digest or a commit as its first twelve digits; anything else as it is."""
    plain = value.removeprefix("sha256:")
    return plain[:12] if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", plain) else value
