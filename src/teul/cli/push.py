"""`teul push`: send an image to its registry."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] NAME[:TAG]"
FLAGS = (
    Flag("all-tags", "a", "bool", help="Push all tags of an image to the repository"),
    Flag("compression", help="Compression of the layers: gzip or zstd", metavar="codec"),
    Flag("disable-content-trust", "", "bool", help="Skip image signing", default=True, hidden=True),
    Flag("progress", default="auto", help="Type of progress output (auto, plain, tty, json, quiet)"),
    Flag("quiet", "q", "bool", help="Suppress verbose output"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.images import push
    from teul.errors import ImageNotFound, OptionUnsupported, UsageError, text
    from teul.oci.reference import Reference

    (name,) = expect(arguments, "push", exactly=1)
    if not arguments.flag("disable-content-trust"):
        raise OptionUnsupported("--disable-content-trust=false")
    engine, is_quiet = context.engine, arguments.flag("quiet")
    reference = Reference.parse(name)
    has_tag = ":" in name.rpartition("/")[2]
    targets = [reference]
    if arguments.flag("all-tags"):
        if has_tag:
            raise UsageError(
                text("tag can't be used with --all-tags/-a"), hint=text("teul {command} --help", command="push")
            )
        targets = sorted(
            (item for image in engine.images.list() for item in image.names if item.repository == reference.repository),
            key=str,
        )
        if not targets:
            raise ImageNotFound(reference.familiar_repository)
    elif not has_tag and not is_quiet:
        context.print("Using default tag: latest")
    if not is_quiet:
        context.print(f"The push refers to repository [{reference.repository}]")
    for target in targets:
        digest = push(
            engine,
            str(target),
            compression=arguments.string("compression"),
            events=context.sink("quiet" if is_quiet else arguments.string("progress")),
        )
        if is_quiet:
            context.print(str(target))
        else:
            size = engine.store.info(digest).size_bytes
            context.print(f"{target.tag}: digest: {digest} size: {size}")
    return 0
