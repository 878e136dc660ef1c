"""`teul history`: how an image was made, newest first."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] IMAGE"
FLAGS = (
    Flag("format", help="Format output using a custom template: table, json, or a Go template"),
    Flag("human", "H", "bool", help="Print sizes and dates in human readable format", default=True),
    Flag("no-trunc", "", "bool", help="Don't truncate output"),
    Flag("quiet", "q", "bool", help="Only show image IDs"),
)
HEADINGS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
CREATED_BY_WIDTH = 45


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.cli.templates import render_records
    from teul.cli.times import age_of
    from teul.cli.units import human_size
    from teul.engine.images import history

    (name,) = expect(arguments, "history", exactly=1)
    is_whole, is_human = arguments.flag("no-trunc"), arguments.flag("human")
    image = context.engine.images.get(name)
    records: list[dict[str, object]] = []
    for number, line in enumerate(history(context.engine, name)):
        identity = (image.id if is_whole else image.id.short) if number == 0 else "<missing>"
        # A table that is cut has one line for each; the whole text is as it stands in the image.
        words = line.created_by.replace("\t", " ") if is_whole else " ".join(line.created_by.split())
        if not is_whole and len(words) > CREATED_BY_WIDTH:
            words = words[: CREATED_BY_WIDTH - 1] + "…"
        records.append(
            {
                "ID": identity,
                "CreatedSince": age_of(line.created) if is_human else line.created,
                "CreatedAt": line.created,
                "CreatedBy": words,
                "Size": human_size(line.size_bytes) if is_human else str(line.size_bytes),
                "Comment": line.comment,
            }
        )
    if arguments.flag("quiet"):
        for record in records:
            context.print(record["ID"])
        return 0
    shown = render_records(arguments.string("format"), HEADINGS, records)
    if shown:
        context.print(shown)
    return 0
