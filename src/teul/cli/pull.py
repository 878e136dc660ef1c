"""`teul pull`: fetch an image from its registry."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.oci.reference import Reference

USAGE = "[OPTIONS] NAME[:TAG|@DIGEST]"
FLAGS = (
    Flag("all-tags", "a", "bool", help="Download all tagged images in the repository"),
    Flag("disable-content-trust", "", "bool", help="Skip image verification", default=True, hidden=True),
    Flag("keep-blobs", "", "bool", help="Keep the compressed layers beside the unpacked ones"),
    Flag("platform", help="Set platform if server is multi-platform capable"),
    Flag("progress", default="auto", help="Type of progress output (auto, plain, tty, json, quiet)"),
    Flag("quiet", "q", "bool", help="Suppress verbose output"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.errors import OptionUnsupported, UsageError, text
    from teul.oci.reference import Reference

    (name,) = expect(arguments, "pull", exactly=1)
    if not arguments.flag("disable-content-trust"):
        raise OptionUnsupported("--disable-content-trust=false")
    reference = Reference.parse(name)
    if arguments.flag("all-tags"):
        if reference.digest or ":" in name.rpartition("/")[2]:
            raise UsageError(
                text("tag can't be used with --all-tags/-a"), hint=text("teul {command} --help", command="pull")
            )
        from teul.engine.images import tags

        for tag in tags(context.engine, name):
            _pull_one(arguments, context, Reference(reference.domain, reference.path, tag))
        return 0
    if not reference.digest and ":" not in name.rpartition("/")[2] and not arguments.flag("quiet"):
        context.print("Using default tag: latest")
    _pull_one(arguments, context, reference)
    return 0


def _pull_one(arguments: Arguments, context: Context, reference: Reference) -> None:
    from teul.engine.images import pull

    engine = context.engine
    is_quiet = arguments.flag("quiet")
    before = engine.images.find(str(reference))
    image = pull(
        engine,
        str(reference),
        platform=arguments.string("platform"),
        keep_blobs=arguments.flag("keep-blobs"),
        events=context.sink("quiet" if is_quiet else arguments.string("progress")),
    )
    if not is_quiet:
        digest = next(
            (
                item.rpartition("@")[2]
                for item in reversed(image.repo_digests)
                if item.startswith(f"{reference.familiar_repository}@")
            ),
            image.id,
        )
        context.print(f"Digest: {digest}")
        is_same = before is not None and before.id == image.id
        status = "Image is up to date for" if is_same else "Downloaded newer image for"
        context.print(f"Status: {status} {reference.familiar}")
    context.print(str(reference))
