"""`teul image df`: what takes the space, in all images, or in one by package or by layer."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] [IMAGE...]"
FLAGS = (
    Flag("format", help="Format output using a custom template: table, json, or a Go template"),
    Flag("layers", "", "bool", help="Show layers instead of packages"),
    Flag("no-trunc", "", "bool", help="Don't truncate output"),
)
IMAGES = {"Image": "IMAGE", "ID": "IMAGE ID", "Layers": "LAYERS", "Size": "SIZE", "Unique": "UNIQUE"}
PACKAGES = {
    "Package": "PACKAGE", "Version": "VERSION", "Kind": "KIND", "Size": "SIZE", "Own": "OWN",
    "SharedWith": "SHARED WITH",
}  # fmt: skip
LAYERS = {"Layer": "LAYER", "Size": "SIZE", "Files": "FILES", "SharedWith": "SHARED WITH", "CreatedBy": "CREATED BY"}
CREATED_BY_WIDTH = 60


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.templates import render_records

    template = arguments.string("format")
    if not arguments.rest:
        shown = render_records(template, IMAGES, _images(context, is_whole=arguments.flag("no-trunc")))
        if shown:
            context.print(shown)
    for name in arguments.rest:
        if len(arguments.rest) > 1 and not template:
            context.print(f"{name}:")
        is_whole = arguments.flag("no-trunc")
        if arguments.flag("layers"):
            shown = render_records(template, LAYERS, _layers(context, name, is_whole=is_whole))
        else:
            shown = _packages(context, name, template, is_whole=is_whole)
        if shown:
            context.print(shown)
    return 0


def _packages(context: Context, name: str, template: str, *, is_whole: bool) -> str:
    """The packages' rows and, in a table, their sum; what stands twice is said on stderr."""
    from teul.cli.templates import render_records
    from teul.cli.units import human_size
    from teul.engine.images.sizes import package_uses
    from teul.errors import text

    uses, doubled = package_uses(context.engine, name)
    rows: list[dict[str, object]] = []
    for item in uses:
        package = item.package
        rows.append(
            {
                "Package": package.name if package is not None else "-",
                "Version": package.version if package is not None else "-",
                "Kind": package.kind if package is not None else "files",
                "Size": human_size(item.size_bytes),
                "Own": human_size(item.own_bytes),
                "SharedWith": _shared(item.images, is_whole=is_whole),
                "Place": f"/{package.place}" if package is not None and package.place else "",
                "Files": item.file_count,
                "SizeBytes": item.size_bytes,
                "OwnBytes": item.own_bytes,
                "Images": list(item.images),
            }
        )
    shown = render_records(template, PACKAGES, rows)
    if template in ("", "table"):
        size, own = (sum(sizes) for sizes in ((i.size_bytes for i in uses), (i.own_bytes for i in uses)))
        counts = [sum(i.package is not None and i.package.kind == kind for i in uses) for kind in ("python", "debian")]
        total = text(
            "{size} in all, {own} of it in no other image; {python} Python and {debian} Debian packages",
            size=human_size(size),
            own=human_size(own),
            python=counts[0],
            debian=counts[1],
        )
        shown += f"\n\n{context.translate(total)}"
    for two in doubled:
        context.say(text("warning: {message}", message=context.translate(two.describe())))
    return shown


def _shared(images: Sequence[str], *, is_whole: bool) -> str:
    if is_whole or len(images) <= 2:
        return ", ".join(images) or "-"
    return f"{', '.join(images[:2])} and {len(images) - 2} more"


def _images(context: Context, *, is_whole: bool) -> list[dict[str, object]]:
    from teul.cli.units import human_size
    from teul.engine.images.looking import image_uses

    return [
        {
            "Image": item.image.name if item.image.names else "<none>",
            "ID": item.image.id if is_whole else item.image.id.short,
            "Layers": len(item.image.config.diff_ids),
            "Size": human_size(item.image.size_bytes),
            "Unique": human_size(item.unique_bytes),
            "SizeBytes": item.image.size_bytes,
            "UniqueBytes": item.unique_bytes,
        }
        for item in image_uses(context.engine)
    ]


def _layers(context: Context, name: str, *, is_whole: bool) -> list[dict[str, object]]:
    from teul.cli.units import human_size
    from teul.engine.images.looking import layer_uses

    made: list[dict[str, object]] = []
    for item in layer_uses(context.engine, name):
        words = " ".join(item.created_by.split())
        if not is_whole and len(words) > CREATED_BY_WIDTH:
            words = words[: CREATED_BY_WIDTH - 1] + "…"
        made.append(
            {
                "Layer": item.diff_id if is_whole else item.diff_id.short,
                "Size": human_size(item.size_bytes),
                "Files": item.inodes,
                "SharedWith": _shared(item.images, is_whole=is_whole),
                "CreatedBy": words,
                "SizeBytes": item.size_bytes,
            }
        )
    return made
