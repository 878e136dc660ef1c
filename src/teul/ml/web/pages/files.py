"""A run's files: browsed, shown where they can be shown safely, and handed out.

What a run wrote is not trusted: HTML is never rendered, an image stands in an `<img>`, everything else is text.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterator
from urllib.parse import quote

from teul.errors import ArtifactNotFound, TeulError
from teul.ml.tracking import artifacts
from teul.ml.tracking.sources import artifact_path
from teul.ml.web.html import Html, e
from teul.ml.web.layout import Page, heading, nothing
from teul.ml.web.view import ROOT, View, address, link, short

PREVIEW_BYTES = 512 << 10
TABLE_ROWS = 200
IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp"}
TABLES = {".csv": ",", ".tsv": "\t"}


def listing(view: View, run_id: str, path: str, artifact_uri: str) -> Html:
    """The folder *path* of a run's files."""
    if artifact_path(artifact_uri) is None:
        return nothing(view.t("The files of this run are not on this server: {place}", place=artifact_uri))
    found = view.store.list_artifacts(run_id, path)
    parts = [part for part in path.split("/") if part]
    crumbs = [e("a", view.t("Files"), href=view.again(path=None))]
    crumbs += [e("a", part, href=view.again(path="/".join(parts[: index + 1]))) for index, part in enumerate(parts)]
    trail = e("p", [(e("span", " / ", class_="quiet") if index else None, crumb) for index, crumb in enumerate(crumbs)])
    if not found:
        return e(
            "div",
            trail if parts else None,
            nothing(view.t("This run has no files.") if not parts else view.t("Nothing here.")),
        )
    rows: list[list[object]] = []
    for item in sorted(found, key=lambda item: (not item.is_dir, item.path)):
        name = posixpath.basename(item.path)
        whole = f"{path}/{name}" if path else name
        if item.is_dir:
            rows.append([e("a", name + "/", href=view.again(path=whole)), "", ""])
        else:
            raw = e("a", view.t("download"), href=raw_address(run_id, whole), download=name)
            rows.append([link(name, "runs", run_id, "file", path=whole), Html(view.size(item.size_bytes)), raw])
    return e("div", trail, view.table([view.t("Name"), view.t("Size"), ""], rows, class_="rows files"))


def raw_address(run_id: str, path: str) -> str:
    return f"{ROOT}/runs/{quote(run_id, safe='')}/raw/{quote(path)}"


def file(view: View, run_id: str) -> Page:
    """One file, as far as it can be shown."""
    run = view.store.get_run(run_id)
    path = view.one("path")
    size_bytes = _size(view, run_id, path)
    experiment = view.store.get_experiment(run.experiment_id)
    trail = (
        (view.t("Experiments"), ROOT),
        (experiment.name, address("experiments", experiment.id)),
        (run.name or short(run.id), address("runs", run.id, tab="files", path=posixpath.dirname(path))),
    )
    download = e("a", view.t("download"), href=raw_address(run_id, path), download=posixpath.basename(path))
    body = e(
        "section",
        heading(path, e("span", view.size(size_bytes), class_="quiet"), download),
        _preview(view, run_id, path, size_bytes),
    )
    return Page(path, body, trail)


def _size(view: View, run_id: str, path: str) -> int:
    name = posixpath.basename(path)
    for item in view.store.list_artifacts(run_id, posixpath.dirname(path)):
        if posixpath.basename(item.path) == name and not item.is_dir:
            return item.size_bytes
    raise ArtifactNotFound(path)


def _preview(view: View, run_id: str, path: str, size_bytes: int) -> Html:
    suffix = posixpath.splitext(path)[1].lower()
    if suffix in IMAGES:
        return e("figure", e("img", src=raw_address(run_id, path), alt=path, loading="lazy"), class_="picture")
    with view.store.open_artifact(run_id, path) as reader:
        data = reader.read(PREVIEW_BYTES)
    if b"\0" in data[:8192]:
        return nothing(view.t("This is not text; download it to look at it."))
    text = data.decode("utf-8", "replace")
    cut = (
        e("p", view.t("Only the first {size} are shown.", size=view.size(PREVIEW_BYTES)), class_="quiet")
        if size_bytes > len(data)
        else None
    )
    if suffix in TABLES:
        rows = list(_rows(text, TABLES[suffix]))
        if len(rows) > 1 and len(rows[0]) > 1:
            if len(rows) > TABLE_ROWS or size_bytes > len(data):
                cut = e(
                    "p", view.t("Only the first {n} rows are shown.", n=min(len(rows), TABLE_ROWS) - 1), class_="quiet"
                )
            return e("div", view.table(rows[0], [list(row) for row in rows[1:TABLE_ROWS]]), cut)
    if suffix == ".json" and not cut:
        try:
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    if suffix in (".diff", ".patch"):
        return e(
            "div",
            e("pre", [_diff_line(line) for line in text.splitlines(keepends=True)], class_="code", tabindex="0"),
            cut,
        )
    return e("div", e("pre", text, class_="code", tabindex="0"), cut)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        for index, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter)):
            if index > TABLE_ROWS:
                return
            yield row
    except csv.Error:
        return


def _diff_line(line: str) -> Html:
    kind = (
        "added"
        if line.startswith("+")
        else "removed"
        if line.startswith("-")
        else "place"
        if line.startswith("@@")
        else ""
    )
    return e("span", line, class_=kind) if kind else e("span", line)


def raw(view: View, run_id: str, path: str) -> tuple[str, int, Iterator[bytes]]:
    """What to send of a file: its type, its size in bytes, its bytes. Raises: TrackingNotFound, ArtifactNotFound."""
    view.store.get_run(run_id)
    artifacts.check_path(path)
    size_bytes = _size(view, run_id, path)
    kind = IMAGES.get(posixpath.splitext(path)[1].lower(), "application/octet-stream")

    def chunks() -> Iterator[bytes]:
        with view.store.open_artifact(run_id, path) as reader:
            while chunk := reader.read(256 << 10):
                yield chunk

    return kind, size_bytes, chunks()


__all__ = ["TeulError", "file", "listing", "raw"]
