"""`teul system df`: Docker's table of what takes the space; with `-v`, thing by thing."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine.system import Usage
    from teul.engine.usage import Details

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("format", help="Output format: json, or a Go template for each line such as {{.Type}} {{.Size}}"),
    Flag("verbose", "v", kind="bool", help="Show detailed information on space usage"),
)
HEADINGS = {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}
IMAGES = {
    "Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID", "CreatedSince": "CREATED", "Size": "SIZE",
    "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE", "Containers": "CONTAINERS",
}  # fmt: skip
CONTAINERS = {
    "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "LocalVolumes": "LOCAL VOLUMES", "Size": "SIZE",
    "RunningFor": "CREATED", "Status": "STATUS", "Names": "NAMES",
}  # fmt: skip
VOLUMES = {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}
CACHE = {
    "ID": "CACHE ID", "CacheType": "CACHE TYPE", "Size": "SIZE", "CreatedSince": "CREATED", "LastUsedSince": "LAST USED",
    "Shared": "SHARED",
}  # fmt: skip


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.templates import render_records
    from teul.engine.system import disk_usage

    template = arguments.string("format")
    if arguments.flag("verbose"):
        _show_details(context, template)
        return 0
    records = [_record(usage) for usage in (*disk_usage(context.engine), *_artifact_usage(context))]
    context.print(render_records(template, HEADINGS, records))
    return 0


def _artifact_usage(context: Context) -> list[Usage]:
    """A fifth line, where a tracking store has artifacts. What an image needs too stands in both lines."""
    if not context.settings.has_tracking:
        return []
    from teul.engine.system import Usage
    from teul.ml.tracking.keeping import usage

    count, named, size_bytes, loose_bytes = usage(context.settings)
    return [Usage("Artifacts", count, named, size_bytes, loose_bytes)] if count else []


def _record(usage: Usage) -> dict[str, object]:
    from teul.cli.units import human_size

    reclaimable = human_size(usage.reclaimable_bytes)
    # Docker shows the share for all but the cache, and none of nothing.
    if usage.size_bytes and usage.kind != "Build Cache":
        reclaimable += f" ({usage.reclaimable_bytes * 100 // usage.size_bytes}%)"
    return {
        "Type": usage.kind,
        "TotalCount": str(usage.total),
        "Active": str(usage.active),
        "Size": human_size(usage.size_bytes),
        "Reclaimable": reclaimable,
    }


def _show_details(context: Context, template: str) -> None:
    from teul.cli.templates import render_records, render_template
    from teul.cli.units import human_size
    from teul.engine.usage import details

    found = details(context.engine)
    lists = _records(found, context)
    if template and template != "table":
        # Docker: one object that has the four lists.
        context.print(render_template(template, lists))
        return
    cache_bytes = human_size(sum(item.size_bytes for item in found.cache if not item.is_shared))
    for title, headings, name in (
        ("Images space usage:", IMAGES, "Images"),
        ("Containers space usage:", CONTAINERS, "Containers"),
        ("Local Volumes space usage:", VOLUMES, "Volumes"),
        (f"Build cache usage: {cache_bytes}", CACHE, "BuildCache"),
    ):
        context.print(f"{title}\n\n{render_records('', headings, lists[name])}\n")


def _records(found: Details, context: Context) -> dict[str, list[dict[str, object]]]:
    import time

    from teul.cli.ps import status_text
    from teul.cli.times import local_time
    from teul.cli.units import human_age, human_size

    now = time.time()
    images: list[dict[str, object]] = []
    for use in found.images:
        names = [(name.familiar_repository, name.tag) for name in use.image.names] or [("<none>", "<none>")]
        images += [
            {
                "Repository": repository,
                "Tag": tag,
                "ID": use.image.id.short,
                "CreatedSince": human_age(now - use.image.created_at),
                "CreatedAt": local_time(use.image.created_at),
                "Size": human_size(use.image.size_bytes),
                "SharedSize": human_size(use.shared_bytes),
                "UniqueSize": human_size(use.unique_bytes),
                "Containers": str(use.containers),
            }
            for repository, tag in names
        ]
    containers: list[dict[str, object]] = [
        {
            "ID": use.container.short_id,
            "Image": use.container.image_name,
            "Command": f'"{_short(" ".join(use.container.args))}"',
            "LocalVolumes": str(sum(mount.kind == "volume" for mount in use.container.mounts)),
            "Size": human_size(use.size_bytes),
            "RunningFor": human_age(now - use.container.created_at),
            "CreatedAt": local_time(use.container.created_at),
            "Status": status_text(use.container, now, context.engine),
            "State": use.container.status,
            "Names": use.container.name,
        }
        for use in found.containers
    ]
    volumes: list[dict[str, object]] = [
        {"Name": use.name, "Links": str(use.links), "Size": human_size(use.size_bytes), "Driver": "local"}
        for use in found.volumes
    ]
    cache: list[dict[str, object]] = [
        {
            "ID": use.key.rpartition(":")[2][:12],
            "CacheType": "regular",
            "Description": use.name,
            "Size": human_size(use.size_bytes),
            "CreatedSince": human_age(now - use.created_at),
            "LastUsedSince": human_age(now - use.used_at),
            "Shared": "true" if use.is_shared else "false",
        }
        for use in found.cache
    ]
    return {"Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": cache}


def _short(command: str) -> str:
    return command if len(command) <= 20 else f"{command[:19]}…"
