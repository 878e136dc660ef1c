"""`teul builder du`: what builds keep, with Docker's columns."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine.build.keeping import Kept

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("verbose", kind="bool", help="Provide a more verbose output"),
    Flag("builder", help="Accepted: there is one builder", hidden=True),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.units import human_size
    from teul.engine.build.keeping import list_kept

    found = list_kept(context.engine)
    if arguments.flag("verbose"):
        for item in found:
            _show(item, context)
    elif found:
        context.print("\n".join(rows(found)))
    shared = sum(item.size_bytes for item in found if item.is_shared)
    private = sum(item.size_bytes for item in found if not item.is_shared)
    reclaimable = sum(item.size_bytes for item in found if item.is_reclaimable)
    for name, size in (("Shared", shared), ("Private", private), ("Reclaimable", reclaimable)):
        context.print(f"{name + ':':<16}{human_size(size)}")
    context.print(f"{'Total:':<16}{human_size(shared + private)}")
    return 0


def rows(found: Sequence[Kept]) -> list[str]:
    """The table: id, whether it can go, size (`*` when an image has it too), when it was last used."""
    import time

    from teul.cli.units import human_age, human_size

    made = [f"{'ID':<42}{'RECLAIMABLE':<16}{'SIZE':<12}LAST ACCESSED"]
    for item in found:
        size = human_size(item.size_bytes) + ("*" if item.is_shared else "")
        age = human_age(max(0.0, time.time() - item.used_at))
        made.append(f"{shown_id(item):<42}{str(item.is_reclaimable).lower():<16}{size:<12}{age}")
    return made


def shown_id(item: Kept) -> str:
    return item.id.removeprefix("sha256:")[:25] if item.kind == "step" else item.id


def _show(item: Kept, context: Context) -> None:
    from teul.cli.times import local_time
    from teul.cli.units import human_size

    kind = "exec.cachemount" if item.kind == "mount" else "regular"
    for name, value in (
        ("ID", item.id.removeprefix("sha256:")),
        ("Created at", local_time(item.created_at)),
        ("Mutable", str(item.kind == "mount").lower()),
        ("Reclaimable", str(item.is_reclaimable).lower()),
        ("Shared", str(item.is_shared).lower()),
        ("Size", human_size(item.size_bytes)),
        ("Description", item.name),
        ("Last used", local_time(item.used_at)),
        ("Type", kind),
    ):
        context.print(f"{name + ':':<16}{value}".rstrip())
    context.print("")
