"""`teul why IMAGE|STEP`: which input made a step run again, against the build before; `teul why IMAGE PATH|PACKAGE`:
where a file or a package comes from.
"""

from __future__ import annotations

import time

from teul.cli.flags import Flag
from teul.errors import InvalidInput, OptionUnsupported, Text, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine.images.contents import LayerFacts
    from teul.engine.images.origins import PackageOrigin, PathOrigin
    from teul.solver.solve import Cause

USAGE = "[OPTIONS] IMAGE [PATH | PACKAGE] | STEP"
FLAGS = (
    Flag("all", "a", "bool", help="Show the steps that were taken from the cache too"),
    Flag("format", help="Format what is said of a path or a package: json, or a Go template"),
)
SHOWN_CAUSES = 10
SHOWN_NAMES = 8


def run(arguments: Arguments, context: Context) -> int:
    """Print, for each step of a build, what happened to it the last time something changed, and why."""
    from teul.engine.build import explain

    if len(arguments.rest) not in (1, 2):
        raise UsageError(
            text("`teul why` requires 1 or 2 arguments, got {count}", count=len(arguments.rest)),
            hint="teul why --help",
        )
    if len(arguments.rest) == 2:
        return _origins(arguments, context)
    if arguments.string("format"):
        raise OptionUnsupported("--format", hint=text("only with a path or a package"))
    wanted = arguments.rest[0]
    found = explain(context.engine, wanted)
    if not found:
        raise InvalidInput(
            text("`{thing}`: no build of this state folder made it or has a step of that name", thing=wanted),
            hint=text("teul images"),
        )
    shown = 0
    for step in found:
        if step.state != "ran" and not arguments.flag("all") and len(found) > 1:
            continue
        shown += 1
        what = text("ran") if step.state == "ran" else text("taken from the cache")
        context.print(f"{step.name}: {context.translate(what)}, {context.translate(_age(time.time() - step.at))}")
        for line in because(step.reason, step.causes):
            context.print(f"   {context.translate(line)}")
    if not shown:
        context.print(context.translate(text("every step was taken from the cache")))
    return 0


def _age(seconds: float) -> Text:
    """How long ago, for people: unlike the ages in Docker's tables, no script reads these."""
    if seconds < 60:
        return text("just now")
    if seconds < 3600:
        return text("{count} min ago", count=int(seconds / 60))
    if seconds < 2 * 86400:
        return text("{count} h ago", count=int(seconds / 3600))
    return text("{count} days ago", count=int(seconds / 86400))


def _origins(arguments: Arguments, context: Context) -> int:
    """Print where a path or a package of an image comes from."""
    from teul.engine.images.origins import PackageOrigin, origins

    found = origins(context.engine, *arguments.rest)
    template = arguments.string("format")
    if template:
        from teul.cli.templates import render_template

        for item in found:
            record = _package_record(item) if isinstance(item, PackageOrigin) else _path_record(item)
            context.print(render_template(template, record))
        return 0
    for item in found:
        lines = _package_lines(item) if isinstance(item, PackageOrigin) else _path_lines(item)
        for number, line in enumerate(lines):
            context.print(("   " if number else "") + context.translate(line))
    return 0


def _package_lines(item: PackageOrigin) -> Iterable[str]:
    from teul.cli.units import human_size

    package = item.package
    kind = text("Python package") if package.kind == "python" else text("Debian package")
    yield text(
        "{name} {version}: {kind}, {count} files, {size}",
        name=package.name,
        version=package.version,
        kind=kind,
        count=item.file_count,
        size=human_size(item.size_bytes),
    )
    if package.place:
        yield text("in /{place}", place=package.place)
    if item.wheel:
        yield text("wheel {wheel}, installed by {tool}", wheel=item.wheel, tool=item.installer or "?")
    if item.is_requested:
        yield text("asked for by name")
    if item.needed_by:
        yield text("needed by {names}", names=_names(item.needed_by))
    for layer, size_bytes in item.layers[:SHOWN_CAUSES]:
        yield text("layer {digest}, {size}", digest=layer.diff_id.short, size=human_size(size_bytes))
        yield _made_by(layer)
    if item.shared:
        yield text("images with that layer too: {names}", names=_names(item.shared))


def _path_lines(item: PathOrigin) -> Iterable[str]:
    if item.is_removed:
        yield text("/{path}: removed in layer {digest}", path=item.path, digest=item.layer.diff_id.short)
    elif item.link:
        yield text(
            "/{path} → {target}: layer {digest}",
            path=item.path,
            target=item.link,
            digest=item.layer.diff_id.short,
        )
    else:
        yield text("/{path}: layer {digest}", path=item.path, digest=item.layer.diff_id.short)
    yield _made_by(item.layer)
    if item.package is not None:
        if item.wheel:
            yield text("of {package}, wheel {wheel}", package=item.package, wheel=item.wheel)
        else:
            yield text("of {package}", package=item.package)
    for layer in item.replaced:
        yield text("was in layer {digest} before", digest=layer.diff_id.short)
        yield _made_by(layer)


def _made_by(layer: LayerFacts) -> str:
    words = layer.created_by or "-"
    if layer.base:
        return text("made by {instruction} (of {image})", instruction=words, image=layer.base)
    return text("made by {instruction}", instruction=words)


def _names(names: Sequence[str]) -> str:
    more = f" +{len(names) - SHOWN_NAMES}" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def _layer_record(layer: LayerFacts) -> dict[str, object]:
    return {
        "Number": layer.number,
        "DiffID": str(layer.diff_id),
        "CreatedBy": layer.created_by,
        "Packages": layer.holds,
        "Image": layer.base,
    }


def _package_record(item: PackageOrigin) -> dict[str, object]:
    return {
        "Package": item.package.name,
        "Version": item.package.version,
        "Kind": item.package.kind,
        "Place": f"/{item.package.place}" if item.package.place else "",
        "Wheel": item.wheel,
        "Installer": item.installer,
        "Requested": item.is_requested,
        "NeededBy": list(item.needed_by),
        "Files": item.file_count,
        "SizeBytes": item.size_bytes,
        "Layers": [_layer_record(layer) | {"SizeBytes": size_bytes} for layer, size_bytes in item.layers],
        "SharedWith": list(item.shared),
    }


def _path_record(item: PathOrigin) -> dict[str, object]:
    return {
        "Path": f"/{item.path}",
        "Target": item.link,
        "Removed": item.is_removed,
        "Package": item.package.name if item.package is not None else "",
        "Version": item.package.version if item.package is not None else "",
        "Wheel": item.wheel,
        "Layer": _layer_record(item.layer),
        "Replaced": [_layer_record(layer) for layer in item.replaced],
    }


def because(reason: str, causes: Sequence[Cause]) -> list[str]:
    """The reason in words, one line for each cause."""
    if reason == "first":
        return [text("because it had never run before")]
    if reason == "gone":
        return [text("because its result was no longer there")]
    if reason == "asked":
        return [text("because the cache was not to be used")]
    made: list[str] = []
    for cause in causes[:SHOWN_CAUSES]:
        if cause.before is None:
            made.append(text("because {part} is new: {after}", part=_part(cause.part), after=_short(cause.after)))
        elif cause.after is None:
            made.append(text("because {part} is gone", part=_part(cause.part)))
        else:
            before, after = _apart(cause.before, cause.after)
            made.append(
                text("because {part} changed: {before} → {after}", part=_part(cause.part), before=before, after=after)
            )
    if len(causes) > SHOWN_CAUSES:
        made.append(text("and {count} more", count=len(causes) - SHOWN_CAUSES))
    return made


def _part(name: str) -> str:
    """A part of a key as words that are translated."""
    kind, _, rest = name.partition(" ")
    if not rest:
        return text("command") if kind == "command" else text("user") if kind == "user" else name
    if name == "input base":
        return text("input base")
    if kind == "input":
        return text("input {name}", name=rest)
    if kind == "file":
        return text("file {name}", name=rest)
    if kind == "files":
        return text("files {name}", name=rest)
    if kind == "env":
        return text("env {name}", name=rest)
    return text("working directory") if name == "working directory" else name


def _apart(before: str, after: str) -> tuple[str, str]:
    """Both shortened; where the modes of a file are the same, only what differs."""
    old, new = before.split(" "), after.split(" ")
    if len(old) == len(new) and len(old[-1]) == len(new[-1]) == 64:
        while len(old) > 1 and old[0] == new[0]:
            del old[0], new[0]
    return _short(" ".join(old)), _short(" ".join(new))


def _short(value: str | None) -> str:
    """A digest as its first twelve digits, anything else as it is, up to a line."""
    words = [word.removeprefix("sha256:")[:12] if len(word) >= 64 else word for word in (value or "").split(" ")]
    made = " ".join(words)
    return made if len(made) <= 100 else made[:99] + "…"
