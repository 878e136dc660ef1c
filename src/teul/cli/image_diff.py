"""`teul image diff A B`: packages by version, then files, then the configuration."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine.images.comparing import Difference

USAGE = "[OPTIONS] IMAGE IMAGE"
FLAGS = (
    Flag("files", "", "bool", help="Name the files of packages that differ too"),
    Flag("format", help="Format output using a custom template: json, or a Go template for each difference"),
)
SIGNS = {"added": "+", "removed": "-", "changed": "~"}
LETTERS = {"added": "A", "removed": "D", "changed": "C"}
FIELDS = {"Kind": "KIND", "Change": "CHANGE", "Name": "NAME", "Before": "BEFORE", "After": "AFTER"}


def run(arguments: Arguments, context: Context) -> int:
    """Print what makes the second image different from the first."""
    from teul.cli.positionals import expect
    from teul.engine.images.comparing import compare

    one, other = expect(arguments, "image diff", exactly=2)
    found = compare(context.engine, one, other, is_whole=arguments.flag("files"))
    template = arguments.string("format")
    if template:
        from teul.cli.templates import render_records

        shown = render_records(template, FIELDS, (_record(item) for item in found))
        if shown:
            context.print(shown)
        return 0
    if not found:
        context.print(context.translate(text("no difference")))
    for kind, heading in (
        ("python", text("Python packages")),
        ("debian", text("Debian packages")),
        ("file", text("Files")),
        ("config", text("Configuration")),
    ):
        chosen = [item for item in found if item.kind == kind]
        if chosen:
            context.print(f"{context.translate(heading)}{_sum(chosen)}")
            for line in _lines(kind, chosen):
                context.print(f"  {line}")
    return 0


def _lines(kind: str, found: Sequence[Difference]) -> Iterable[str]:
    for item in found:
        if kind == "file":
            yield f"{LETTERS[item.change]} {item.name}" + (f"  ({item.what})" if item.what else "")
        elif kind == "config":
            yield f"{SIGNS[item.change]} {item.name}: {_arrow(item)}"
        else:
            size = f"  ({_signed(item.size_bytes)})" if item.size_bytes else ""
            yield f"{SIGNS[item.change]} {item.name} {_arrow(item)}{size}"


def _arrow(item: Difference) -> str:
    return " → ".join(word for word in (item.before, item.after) if word)


def _sum(found: Sequence[Difference]) -> str:
    size = sum(item.size_bytes for item in found)
    return f" ({_signed(size)})" if size else ""


def _signed(size_bytes: int) -> str:
    from teul.cli.units import human_size

    return ("+" if size_bytes > 0 else "-") + human_size(abs(size_bytes))


def _record(item: Difference) -> dict[str, object]:
    return {
        "Kind": item.kind,
        "Change": item.change,
        "Name": item.name,
        "Before": item.before,
        "After": item.after,
        "What": item.what,
        "SizeBytes": item.size_bytes,
    }
