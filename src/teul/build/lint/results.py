"""What `--call` gives: checks, the outline of a target, the list of targets, as text and as JSON. Pure.

Source: moby/buildkit, frontend/subrequests/{lint,outline,targets}; docker/buildx prints the same text.
"""

from __future__ import annotations

import base64
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from dataclasses import dataclass
    from typing import Any

    from teul.build.lint.rules import Finding
    from teul.errors import DockerfileError, Span
else:
    from teul.values import dataclass

CONTEXT_LINES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    name: str
    description: str = ""
    value: str | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A secret or an agent that a target asks for."""

    name: str
    required: bool = False
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a target takes."""

    name: str
    description: str = ""
    arguments: tuple[Argument, ...] = ()
    secrets: tuple[Needed, ...] = ()
    ssh: tuple[Needed, ...] = ()
    cache: tuple[Needed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    name: str
    description: str
    base: str
    platform: str
    is_default: bool
    span: Span


def check_text(
    findings: Sequence[Finding], source: str, translate: Callable[[str], str], error: DockerfileError | None = None
) -> str:
    """The findings as `docker build --check` shows them, with the lines around each."""
    lines = source.split("\n")
    made: list[str] = []
    if findings:
        count = len(findings)
        made.append(
            f"Check complete, {count} warnings have been found!"
            if count > 1
            else "Check complete, 1 warning has been found!"
        )
    for finding in findings:
        made += [
            "",
            f"WARNING: {finding.rule.name} - {finding.rule.page}",
            translate(finding.rule.description),
            translate(finding.message),
            *_excerpt(finding.span, lines),
        ]
    if error is not None:
        made += ["", f"ERROR: {translate(error.message)}"] if made else [f"ERROR: {translate(error.message)}"]
        if error.span is not None:
            made += _excerpt(error.span, lines)
    if not made:
        made.append("Check complete, no warnings found.")
    return "\n".join(made)


def _excerpt(span: Span, lines: Sequence[str]) -> list[str]:
    first, last = max(1, span.line - CONTEXT_LINES), min(len(lines), span.end_line + CONTEXT_LINES)
    made = [f"{span.path}:{span.line}", "-" * 20]
    for number in range(first, last + 1):
        mark = ">>>" if span.line <= number <= span.end_line else "   "
        made.append(f" {number:3} | {mark} {lines[number - 1].rstrip()}".rstrip())
    return [*made, "-" * 20]


def _location(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"sourceIndex": 0, "ranges": []}
    return {
        "sourceIndex": 0,
        "ranges": [{"start": {"line": span.line, "character": 0}, "end": {"line": span.end_line, "character": 0}}],
    }


def _sources(path: str, source: str) -> list[dict[str, Any]]:
    data = base64.b64encode(source.encode("utf-8", "surrogateescape")).decode()
    return [{"filename": path, "language": "Dockerfile", "data": data}]


def check_json(findings: Sequence[Finding], path: str, source: str, error: DockerfileError | None = None) -> str:
    """The findings as BuildKit's `result.json`."""
    value: dict[str, Any] = {
        "warnings": [
            {
                "ruleName": item.rule.name,
                "description": str(item.rule.description),
                "url": item.rule.page,
                "detail": str(item.message),
                "location": _location(item.span),
            }
            for item in findings
        ],
        "sources": _sources(path, source),
    }
    if error is not None:
        value["buildError"] = {"message": str(error.message), "location": _location(error.span)}
    return json.dumps(value, indent=2, ensure_ascii=False)


def outline_text(outline: Outline) -> str:
    made: list[str] = []
    if outline.name:
        made.append(f"TARGET:      {outline.name}")
    if outline.description:
        made.append(f"DESCRIPTION: {outline.description}")
    if made:
        made.append("")
    if outline.arguments:
        rows = [(item.name, item.value or "", item.description) for item in outline.arguments]
        made += [*_table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows), ""]
    for title, needed in (("SECRET", outline.secrets), ("SSH", outline.ssh)):
        if needed:
            made += [
                *_table((title, "REQUIRED"), [(item.name, "true" if item.required else "") for item in needed]),
                "",
            ]
    if outline.cache:
        made += [*_table(("CACHE",), [(item.name,) for item in outline.cache]), ""]
    return "\n".join(made).rstrip("\n")


def outline_json(outline: Outline, path: str, source: str) -> str:
    value: dict[str, Any] = {}
    if outline.name:
        value["name"] = outline.name
    if outline.description:
        value["description"] = outline.description
    value["args"] = [
        {"name": item.name}
        | ({"description": item.description} if item.description else {})
        | ({"value": item.value} if item.value is not None else {})
        | {"location": _location(item.span)}
        for item in outline.arguments
    ]
    for key, needed in (("secrets", outline.secrets), ("ssh", outline.ssh), ("cache", outline.cache)):
        value[key] = [
            {("id" if key == "cache" else "name"): item.name}
            | ({"required": True} if item.required else {})
            | {"location": _location(item.span)}
            for item in needed
        ]
    value["sources"] = _sources(path, source)
    return json.dumps({name: item for name, item in value.items() if item}, indent=2, ensure_ascii=False)


def targets_text(targets: Sequence[Target]) -> str:
    rows = [
        (f"{item.name or item.base}" + (" (default)" if item.is_default else ""), item.description) for item in targets
    ]
    return "\n".join(_table(("TARGET", "DESCRIPTION"), rows))


def targets_json(targets: Sequence[Target], path: str, source: str) -> str:
    value = {
        "targets": [
            {name: item for name, item in (("name", target.name), ("default", target.is_default), ("description", target.description), ("base", target.base), ("platform", target.platform)) if item}
            | {"location": _location(target.span)}
            for target in targets
        ],
        "sources": _sources(path, source),
    }  # fmt: skip
    return json.dumps(value, indent=2, ensure_ascii=False)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns with three spaces between them."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
