"""`teul image df`: what takes the space, in one image or in all of them."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] [IMAGE...]"
FLAGS = (
    Flag("format", help="Format output using a custom template: table, json, or a Go template"),
    Flag("no-trunc", "", "bool", help="Don't truncate output"),
)
IMAGES = {"Image": "IMAGE", "ID": "IMAGE ID", "Layers": "LAYERS", "Size": "SIZE", "Unique": "UNIQUE"}
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
        shown = render_records(template, LAYERS, _layers(context, name, is_whole=arguments.flag("no-trunc")))
        if shown:
            context.print(shown)
    return 0


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
        shared = ", ".join(item.images) or "-"
        if not is_whole and len(item.images) > 2:
            shared = f"{', '.join(item.images[:2])} and {len(item.images) - 2} more"
        made.append(
            {
                "Layer": item.diff_id if is_whole else item.diff_id.short,
                "Size": human_size(item.size_bytes),
                "Files": item.inodes,
                "SharedWith": shared,
                "CreatedBy": words,
                "SizeBytes": item.size_bytes,
            }
        )
    return made
