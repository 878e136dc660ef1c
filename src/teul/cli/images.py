"""`teul images`: the images on this machine."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.images import Image

USAGE = "[OPTIONS] [REPOSITORY[:TAG]]"
FLAGS = (
    Flag("all", "a", "bool", help="Show all images (default hides intermediate images, of which there are none)"),
    Flag("digests", "", "bool", help="Show digests"),
    Flag("filter", "f", "list", help="Filter output: dangling, label, before, since, reference"),
    Flag("format", help="Format output using a custom template: table, json, or a Go template"),
    Flag("no-trunc", "", "bool", help="Don't truncate output"),
    Flag("quiet", "q", "bool", help="Only show image IDs"),
)
HEADINGS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
}
MORE_HEADINGS = {
    "CreatedAt": "CREATED AT",
    "Containers": "CONTAINERS",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "SIZE",
}
NONE = "<none>"


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.templates import render_records
    from teul.errors import UsageError, text

    if len(arguments.rest) > 1:
        raise UsageError(
            text('"teul {command}" requires at most {count} argument(s)', command="images", count=1),
            hint=text("teul {command} --help", command="images"),
        )
    images = _filtered(context.engine.images.list(), arguments.strings("filter"), context)
    is_whole = arguments.flag("no-trunc")
    template = arguments.string("format")
    with_digests = arguments.flag("digests") or ".Digest" in template
    pattern = arguments.rest[0] if arguments.rest else ""
    rows = [row for image in images for row in _rows(image, pattern, with_digests=with_digests)]
    if arguments.flag("quiet") and not template:
        seen: dict[str, None] = {}
        for image, *_ in rows:
            seen[image.id if is_whole else image.id.short] = None
        for identity in seen:
            context.print(identity)
        return 0
    headings = {name: words for name, words in HEADINGS.items() if name != "Digest" or arguments.flag("digests")}
    if template not in ("", "table"):
        headings |= MORE_HEADINGS | {"Digest": "DIGEST"}
    records = [dict(sorted(_record(*row, is_whole=is_whole).items())) for row in rows]
    shown = render_records(template, headings, records)
    if shown:
        context.print(shown)
    return 0


def _record(image: Image, repository: str, tag: str, digest: str, *, is_whole: bool) -> dict[str, object]:
    import time

    from teul.cli.times import local_time
    from teul.cli.units import human_age, human_size

    size = human_size(image.size_bytes)
    return {
        "Repository": repository,
        "Tag": tag,
        "Digest": digest,
        "ID": image.id if is_whole else image.id.short,
        "CreatedSince": human_age(time.time() - image.created_at),
        "CreatedAt": local_time(image.created_at),
        "Size": size,
        "VirtualSize": size,
        "Containers": "N/A",
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
    }


def _rows(image: Image, pattern: str, *, with_digests: bool) -> Iterator[tuple[Image, str, str, str]]:
    """(image, repository, tag, digest) for each line that the image has."""
    digests: dict[str, list[str]] = {}
    for item in image.repo_digests:
        repository, _, digest = item.partition("@")
        digests.setdefault(repository, []).append(digest)
    named = [(name.familiar_repository, name.tag) for name in image.names]
    if pattern:
        named = [(repository, tag) for repository, tag in named if _matches(repository, tag, pattern)]
        if not named:
            return
    for repository, tag in sorted(named):
        for digest in (digests.get(repository) or [NONE]) if with_digests else [NONE]:
            yield image, repository, tag, digest
    if not image.names:
        for repository, found in digests.items() or [(NONE, [NONE])]:
            for digest in found:
                yield image, repository, NONE, digest


def _matches(repository: str, tag: str, pattern: str) -> bool:
    from fnmatch import fnmatchcase

    if ":" in pattern.rpartition("/")[2]:
        return fnmatchcase(f"{repository}:{tag}", _familiar(pattern))
    return fnmatchcase(repository, _familiar(pattern))


def _familiar(pattern: str) -> str:
    return pattern.removeprefix("docker.io/").removeprefix("library/")


def _filtered(images: Sequence[Image], filters: Sequence[str], context: Context) -> list[Image]:
    from teul.errors import InvalidInput, text

    made = list(images)
    for item in filters:
        name, _, value = item.partition("=")
        if name == "dangling" and value.lower() in ("true", "1", "false", "0"):
            wanted = value.lower() in ("true", "1")
            made = [image for image in made if wanted == (not image.names)]
        elif name == "label":
            key, has_value, text_ = value.partition("=")
            made = [
                image
                for image in made
                if key in image.config.config.labels and (not has_value or image.config.config.labels[key] == text_)
            ]
        elif name in ("before", "since"):
            other = context.engine.images.get(value)
            made = [
                image
                for image in made
                if image.id != other.id and (image.created_at < other.created_at) == (name == "before")
            ]
        elif name == "reference":
            made = [
                image
                for image in made
                if any(_matches(item.familiar_repository, item.tag, value) for item in image.names)
            ]
        else:
            raise InvalidInput(text("invalid filter '{name}'", name=name))
    return made
