"""`teul build`: Docker's flags, the image's id on stdout with `-q`, everything else on stderr."""

from __future__ import annotations

import os
import sys

from teul.cli.flags import Flag
from teul.errors import BuildStepFailed, InvalidInput, OptionUnsupported, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from teul.build.dockerfile.lower import Lowered
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine.build import BuildOptions, BuildResult, Secret
    from teul.engine.build.attributes import CacheTarget
    from teul.engine.build.reproducing import Difference
    from teul.solver.solve import Planned

USAGE = "[OPTIONS] PATH | -"
FLAGS = (
    Flag("file", "f", help="Name of the Dockerfile (default: PATH/Dockerfile)", metavar="string"),
    Flag("tag", "t", "list", help="Name and optionally a tag (format: name:tag)", metavar="stringArray"),
    Flag("build-arg", kind="list", help="Set build-time variables", metavar="stringArray"),
    Flag(
        "build-context",
        kind="list",
        help="Additional build contexts (e.g., name=path, name=docker-image://image)",
        metavar="stringArray",
    ),
    Flag("target", help="Set the target build stage to build", metavar="string"),
    Flag("platform", help="Set target platform for build", metavar="string"),
    Flag("no-cache", kind="bool", help="Do not use cache when building the image"),
    Flag("pull", kind="bool", help="Always attempt to pull all referenced images"),
    Flag("label", kind="list", help="Set metadata for an image", metavar="stringArray"),
    Flag("network", help="Set the networking mode for RUN: default, none or host", default="default", metavar="string"),
    Flag("add-host", kind="list", help="Add a custom host-to-IP mapping (format: host:ip)", metavar="strings"),
    Flag("secret", kind="list", help="Secret to expose to the build (id=name[,src=path|,env=VARIABLE])", metavar="stringArray"),
    Flag("ssh", kind="list", help="SSH agent socket or keys to expose to the build (format: default|<id>[=<socket>|<key>[,<key>]])", metavar="stringArray"),
    Flag("allow", kind="list", help="Allow extra privileged entitlement (network.host, security.insecure, device)", metavar="strings"),
    Flag("cgroup-parent", help="Set the parent cgroup for the RUN instructions during build", metavar="string"),
    Flag("shm-size", help="Size of /dev/shm", metavar="bytes"),
    Flag("ulimit", kind="list", help="Ulimit options", metavar="ulimit"),
    Flag("quiet", "q", "bool", help="Suppress the build output and print image ID on success"),
    Flag("progress", help="Type of progress output: auto, plain, tty, rawjson or quiet", default="auto", metavar="string"),
    Flag("cache-from", kind="list", help="Use a cache that was exported: a reference, or type=local,src=FOLDER", metavar="stringArray"),
    Flag("cache-to", kind="list", help="Export the cache: type=registry,ref=NAME, type=local,dest=FOLDER or type=inline, with mode=max for every step", metavar="stringArray"),
    Flag("output", "o", "list", help="Output destination: a folder, - for a tar, or type=local|tar|oci|docker|image|registry,dest=PATH", metavar="stringArray"),
    Flag("push", kind="bool", help="Push the image when it is built (--output type=registry)"),
    Flag("no-cache-filter", kind="list", help="Do not use cache for these stages", metavar="stringArray"),
    Flag("provenance", help="Attest how the image was made: true, false or mode=min|max", metavar="string"),
    Flag("sbom", help="Attest what packages are in the image: true or false", metavar="string"),
    Flag("attest", kind="list", help="Attestation: type=sbom or type=provenance,mode=max", metavar="stringArray"),
    Flag("metadata-file", help="Write build result metadata to a file", metavar="string"),
    Flag("iidfile", help="Write the image ID to a file", metavar="string"),
    Flag("no-normalise", kind="bool", help="Keep times, logs and caches as the steps leave them, as Docker does"),
    Flag("call", help="Set method for evaluating build (check, outline, targets; with ,format=json)", default="build", metavar="string"),
    Flag("check", kind="bool", help="Shorthand for --call=check"),
    Flag("annotation", kind="list", help="Add annotation to the image's manifest", metavar="stringArray"),
    Flag("as-of", help="Resolve Python packages as their index was on this day (2024-05-15)", metavar="date"),
    Flag("lock", kind="bool", help="Write what was resolved to teul.lock beside the Dockerfile"),
    Flag("offline", kind="bool", help="Ask no network: use the base images and wheels that are here"),
    Flag("dry-run", kind="bool", help="Print what would be done and why, and do nothing"),
    Flag("check-reproducible", kind="bool", help="Build twice under other circumstances and show the first path that differs"),
    Flag("load", kind="bool", help="Accepted: what is built is always here", hidden=True),
    Flag("rm", kind="bool", help="Accepted: nothing is ever left", hidden=True),
    Flag("force-rm", kind="bool", help="Accepted: nothing is ever left", hidden=True),
    *(
        Flag(name, kind=kind, hidden=True)
        for name, kind in (
            ("cpu-period", "string"), ("cpu-quota", "string"),
            ("cpu-shares", "string"), ("cpuset-cpus", "string"), ("cpuset-mems", "string"),
            ("disable-content-trust", "bool"), ("memory-swap", "string"), ("security-opt", "list"), ("squash", "bool"),
        )
    ),
    Flag("memory", short="m", hidden=True),
    Flag("builder", help="Accepted: `default`, the only one", hidden=True),
    Flag("compress", kind="bool", help="Accepted: a context is never sent", hidden=True),
    Flag("isolation", help="Accepted: `default`, the only one", hidden=True),
)  # fmt: skip
REFUSED = {
    "cpu-period": "", "cpu-quota": "",
    "cpu-shares": "", "cpuset-cpus": "", "cpuset-mems": "", "disable-content-trust": "", "memory": "",
    "memory-swap": "",
    "security-opt": "", "squash": "",
}  # fmt: skip
"""What Docker's `build` has and ours does not, each with the command to use instead, if there is one."""


def run(arguments: Arguments, context: Context) -> int:
    """Build, and print where the image is."""
    for name in sorted(arguments.given & set(REFUSED)):
        raise OptionUnsupported(f"--{name}", hint=REFUSED[name] or None)
    for name in ("builder", "isolation"):
        if arguments.string(name) not in ("", "default"):
            raise OptionUnsupported(f"--{name} {arguments.string(name)}", hint=f"--{name} default")
    if len(arguments.rest) != 1:
        raise UsageError(
            text("`teul build` requires 1 argument, got {count}", count=len(arguments.rest)), hint="teul build --help"
        )
    if "," in arguments.string("platform"):
        raise OptionUnsupported(
            "--platform A,B", hint=text("a build for each platform: --platform A, then --platform B")
        )
    progress = _progress(arguments)
    _check_places(arguments)
    from teul.cli.build_context import opened_context

    with opened_context(
        arguments.rest[0],
        arguments.string("file"),
        context,
        secrets=_secrets(arguments.strings("secret")),
        keep_git_dir="BUILDKIT_CONTEXT_KEEP_GIT_DIR=1" in arguments.strings("build-arg"),
        progress=progress,
    ) as (folder, dockerfile, dockerfile_text, name):
        options = _options(arguments, folder, dockerfile, dockerfile_text, name)
        if dockerfile_text is None and not arguments.string("file"):
            options = project_image(options)
        if arguments.flag("check") or arguments.string("call") not in ("", "build"):
            from teul.cli.build_call import call

            return call("check" if arguments.flag("check") else arguments.string("call"), options, context)
        if arguments.flag("dry-run"):
            return _dry_run(options, context)
        return _build(options, arguments, context, progress)


def _progress(arguments: Arguments) -> str:
    """How progress is shown; `-q` leaves no choice."""
    asked = arguments.string("progress")
    if not arguments.flag("quiet"):
        return asked
    if asked not in ("auto", "quiet"):
        raise UsageError(
            text("progress={progress} and quiet cannot be used together", progress=asked), hint="teul build --help"
        )
    return "quiet"


def project_image(options: BuildOptions) -> BuildOptions:
    """A folder with no Dockerfile and a project file that has `[image]`: that image, named as the project when no name
    is given.
    """
    from teul.values import replace

    folder = options.context
    if os.path.lexists(f"{folder}/Dockerfile") or not os.path.isfile(f"{folder}/teul.toml"):
        return options
    from teul.ml.stages import build_options
    from teul.ml.up import read_project

    project = read_project(folder)
    if not project.image.is_generated:
        return options
    made = build_options(os.path.abspath(folder), project)
    changed: BuildOptions = replace(
        options,
        context=made.context,
        dockerfile=made.dockerfile,
        dockerfile_text=made.dockerfile_text,
        exclude=made.exclude,
        tags=options.tags or made.tags,
    )
    return changed


def _build(options: BuildOptions, arguments: Arguments, context: Context, progress: str) -> int:
    from teul.engine.build import build

    sink = context.sink(progress, title="Building")
    difference = None
    try:
        if arguments.flag("check-reproducible"):
            from teul.engine.build.reproducing import check_reproducible

            result, difference = check_reproducible(context.engine, options, events=sink)
        else:
            result = build(context.engine, options, events=sink)
    except BuildStepFailed as error:
        if progress == "quiet" and error.stderr_tail:
            context.stderr.write(error.stderr_tail + "\n")
        raise
    finally:
        sink.finish()
    image_id = result.image.id if result.is_kept or "containerimage.config.digest" in result.metadata else ""
    if arguments.string("iidfile"):
        _write_file("iidfile", arguments.string("iidfile"), image_id)
    if arguments.string("metadata-file"):
        import json

        _write_file("metadata-file", arguments.string("metadata-file"), json.dumps(result.metadata, indent=2))
    if options.write_output is not None:
        return 0  # stdout is the output's
    if progress == "quiet":
        context.print(image_id)
    else:
        _say(result, options, context)
    if arguments.flag("check-reproducible"):
        return _say_difference(difference, context)
    return 0


def _write_file(flag: str, path: str, content: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(content)
    except OSError as error:
        raise InvalidInput(
            text("{flag}: cannot write `{path}`: {problem}", flag=f"--{flag}", path=path, problem=error.strerror)
        ) from error


def _check_places(arguments: Arguments) -> None:
    """What would be written when all is done is not found impossible only then."""
    for flag in ("iidfile", "metadata-file"):
        path = arguments.string(flag)
        if path and not os.path.isdir(os.path.dirname(path) or "."):
            raise InvalidInput(
                text("{flag}: no folder `{path}`", flag=f"--{flag}", path=os.path.dirname(path)),
                hint=text("mkdir -p {path}", path=os.path.dirname(path)),
            )
        if path and os.path.isdir(path):
            raise InvalidInput(text("{flag}: `{path}` is a folder, expected a file", flag=f"--{flag}", path=path))


def _say_difference(difference: Difference | None, context: Context) -> int:
    if difference is None:
        context.say(text("reproducible: the second build gave the same digest"))
        return 0
    context.say(text("not reproducible: {step}", step=difference.step))
    context.say(text("   {path}: {what}", path=difference.path, what=context.translate(difference.what)))
    if difference.hint is not None:
        context.say(text("hint: {hint}", hint=context.translate(difference.hint)))
    return 1


def _say(result: BuildResult, options: BuildOptions, context: Context) -> None:
    names = ", ".join(str(name.familiar) for name in result.image.names) or result.image.id.short
    ran = sum(not step.cached for step in result.steps)
    if result.cached:
        context.say(text("image {id} ({names}): nothing changed", id=result.image.id, names=names))
    else:
        context.say(
            text(
                "image {id} ({names}): {ran} of {total} steps ran",
                id=result.image.id,
                names=names,
                ran=ran,
                total=len(result.steps),
            )
        )


def _options(
    arguments: Arguments, folder: str, dockerfile: str, dockerfile_text: str | None, context_name: str
) -> BuildOptions:
    from teul.engine.build import BuildOptions

    cache_from: tuple[CacheTarget, ...] = ()
    cache_to: tuple[CacheTarget, ...] = ()
    build_args = _arguments(arguments.strings("build-arg"))
    if arguments.given & {"cache-from", "cache-to"} or build_args.get("BUILDKIT_INLINE_CACHE"):
        from teul.engine.build.attributes import read_cache_from, read_cache_to

        cache_from = tuple(read_cache_from(word) for word in arguments.strings("cache-from") if word)
        words = [
            *arguments.strings("cache-to"),
            *(["type=inline"] if build_args.get("BUILDKIT_INLINE_CACHE") == "1" else []),
        ]
        cache_to = tuple(read_cache_to(word) for word in words if word)
    return BuildOptions(
        context=folder,
        context_name=context_name,
        dockerfile=dockerfile,
        dockerfile_text=dockerfile_text,
        tags=tuple(arguments.strings("tag")),
        build_args=build_args,
        build_contexts=_pairs("build-context", arguments.strings("build-context")),
        target=arguments.string("target"),
        no_cache=arguments.flag("no-cache"),
        pull=arguments.flag("pull"),
        labels={name: value for name, _, value in (label.partition("=") for label in arguments.strings("label"))},
        normalise=not arguments.flag("no-normalise"),
        as_of=arguments.string("as-of"),
        writes_lock=arguments.flag("lock"),
        is_offline=arguments.flag("offline"),
        network=_network(arguments.string("network")),
        platform=arguments.string("platform"),
        secrets=_secrets(arguments.strings("secret")),
        extra_hosts=tuple(_host(word) for item in arguments.strings("add-host") for word in item.split(",") if word),
        shm_size_bytes=read_size(arguments.string("shm-size"), "--shm-size"),
        ulimits=tuple(_ulimit(word) for word in arguments.strings("ulimit")),
        cgroup_parent=_cgroup(arguments.string("cgroup-parent")),
        allowed=_allowed(arguments),
        ssh=_ssh(arguments, os.environ),
        **_output_options(arguments),
        cache_from=cache_from,
        cache_to=cache_to,
    )


OUTPUT_FLAGS = {
    "annotation", "attest", "metadata-file", "no-cache-filter", "output", "provenance", "push", "sbom",
}  # fmt: skip


def _output_options(arguments: Arguments) -> dict[str, Any]:
    """What becomes of the image; read only where one of these flags was given."""
    if not arguments.given & OUTPUT_FLAGS:
        return {}
    from teul.engine.build.attributes import Output, read_attestations, read_output

    outputs = [read_output(word) for word in arguments.strings("output")]
    if arguments.flag("push"):
        kept = [output for output in outputs if output.kind in ("image", "registry")]
        if outputs and not kept:
            raise UsageError(
                text("push and {kind} output can't be used together", kind=outputs[0].kind), hint="teul build --help"
            )
        outputs = [*(output for output in outputs if output not in kept), Output(kind="registry", is_pushed=True)]
    elif outputs and arguments.flag("load"):
        outputs.append(Output(kind="image"))
    on_stdout = [output for output in outputs if output.dest == "-"]
    if on_stdout and sys.stdout.isatty():
        raise InvalidInput(
            text("dest file is required for {kind} exporter. refusing to write to console", kind=on_stdout[0].kind)
        )
    carried = any(output.is_pushed or output.kind == "oci" for output in outputs)
    if arguments.strings("annotation") and not carried:
        raise OptionUnsupported(
            "--annotation", hint=text("--push, or --output type=oci,dest=FILE: a manifest carries it")
        )
    provenance, sbom = read_attestations(
        arguments.optional("provenance"), arguments.optional("sbom"), arguments.strings("attest")
    )
    return {
        "outputs": tuple(outputs),
        "write_output": sys.stdout.buffer.write if on_stdout else None,
        "no_cache_filter": tuple(
            name for word in arguments.strings("no-cache-filter") for name in word.split(",") if name
        ),
        "provenance": provenance,
        "sbom": sbom,
        "annotations": _annotations(arguments.strings("annotation")),
        "wants_metadata": bool(arguments.string("metadata-file")),
    }


def _annotations(given: list[str]) -> dict[str, str]:
    """`[manifest:]KEY=VALUE`; what is on an index or on a descriptor has no place where an image is for one platform."""
    made = {}
    for word in given:
        level, colon, rest = word.partition(":")
        if colon and level.partition("[")[0] in ("index", "index-descriptor", "manifest-descriptor"):
            raise OptionUnsupported(f"--annotation {level}:", hint=text("--annotation KEY=VALUE"))
        name, equals, value = (rest if colon and level.partition("[")[0] == "manifest" else word).partition("=")
        if not equals or not name:
            raise UsageError(
                text(
                    "invalid argument `{value}` for `{flag}` flag: expected NAME=VALUE", value=word, flag="--annotation"
                ),
                hint="teul build --help",
            )
        made[name] = value
    return made


def _arguments(given: list[str]) -> dict[str, str | None]:
    made: dict[str, str | None] = {}
    for word in given:
        name, equals, value = word.partition("=")
        made[name] = value if equals else None
    return made


def _pairs(flag: str, given: list[str]) -> dict[str, str]:
    made = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(
                text("invalid argument `{value}` for `{flag}` flag: expected NAME=VALUE", value=word, flag=f"--{flag}"),
                hint="teul build --help",
            )
        made[name] = value
    return made


def _network(mode: str) -> str:
    if mode not in ("default", "none", "host", ""):
        raise OptionUnsupported(f"--network {mode}", hint=text("--network default, none or host"))
    return mode or "default"


def _secrets(given: list[str]) -> Mapping[str, Secret]:
    from teul.engine.build import Secret

    made: dict[str, Secret] = {}
    for word in given:
        fields = {name.strip().lower(): value for name, _, value in (part.partition("=") for part in word.split(","))}
        unknown = fields.keys() - {"id", "src", "source", "env", "type"}
        if unknown or not fields.get("id") or fields.get("type", "file") not in ("file", "env"):
            raise UsageError(
                text(
                    "invalid argument `{value}` for `{flag}` flag: expected id=NAME[,src=PATH|,env=VARIABLE]",
                    value=word,
                    flag="--secret",
                ),
                hint="teul build --help",
            )
        path = fields.get("src") or fields.get("source") or ""
        env = fields.get("env", "")
        if fields.get("type") == "env" and not env:
            env, path = path or fields["id"], ""
        if not path and not env:
            # Docker's rule: a variable of that name, else a file of that name.
            env, path = (fields["id"], "") if fields["id"] in os.environ else ("", fields["id"])
        made[fields["id"]] = Secret(path=path, env=env)
    return made


ENTITLEMENTS = ("network.host", "security.insecure", "device")


def _allowed(arguments: Arguments) -> tuple[str, ...]:
    """`--allow`; a build on the host's network was asked for by name, and so is allowed to be there."""
    made: list[str] = []
    for item in arguments.strings("allow"):
        for word in item.split(","):
            if word not in ENTITLEMENTS and not word.startswith("device="):
                raise UsageError(
                    text("unknown entitlement {name}", name=word),
                    hint="teul build --help",
                )
            made.append(word)
    return (*made, "network.host") if arguments.string("network") == "host" else tuple(made)


def _ssh(arguments: Arguments, environ: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    if not arguments.strings("ssh"):
        return {}
    from teul.build.ssh import parse_ssh

    return parse_ssh(arguments.strings("ssh"), environ)


def _host(word: str) -> str:
    """One `--add-host`: `name:address` or `name=address`."""
    import ipaddress

    name, found, address = word.partition("=" if "=" in word else ":")
    try:
        if address != "host-gateway":
            ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
    except ValueError:
        found = ""
    if not found or not name:
        raise UsageError(
            text("invalid argument `{value}` for `{flag}` flag: expected NAME:ADDRESS", value=word, flag="--add-host"),
            hint="teul build --help",
        )
    return word


def _ulimit(word: str) -> str:
    from teul.runtime.spec import RLIMITS

    name, _, limits = word.partition("=")
    soft, colon, hard = limits.partition(":")
    numbers = [soft, hard] if colon else [soft]
    if name not in RLIMITS or not all(number == "-1" or (number.isascii() and number.isdigit()) for number in numbers):
        raise UsageError(
            text(
                "invalid argument `{value}` for `{flag}` flag: expected NAME=SOFT[:HARD]", value=word, flag="--ulimit"
            ),
            hint="teul build --help",
        )
    low, high = int(soft), int(hard) if colon else int(soft)
    if high != -1 and (low == -1 or low > high):
        raise UsageError(
            text("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}", soft=low, hard=high),
            hint="teul build --help",
        )
    return word


def _cgroup(path: str) -> str:
    if ".." in path.split("/") or "\0" in path:
        raise UsageError(
            text(
                "invalid argument `{value}` for `{flag}` flag: expected the path of a cgroup",
                value=path,
                flag="--cgroup-parent",
            ),
            hint="teul build --help",
        )
    return path


def read_size(word: str, flag: str) -> int:
    """`64m` in bytes, 0 for nothing."""
    if not word:
        return 0
    number = word.lower().removesuffix("b").removesuffix("i")
    scale = 1
    if number and number[-1] in "kmgt":
        scale = 1024 ** ("kmgt".index(number[-1]) + 1)
        number = number[:-1]
    try:
        return int(float(number) * scale)
    except ValueError:
        raise UsageError(
            text(
                "invalid argument `{value}` for `{flag}` flag: expected a size such as 64m",
                value=word,
                flag=flag,
            ),
            hint="teul build --help",
        ) from None


def _dry_run(options: BuildOptions, context: Context) -> int:
    from teul.engine.build import plan

    planned, lowered = plan(context.engine, options, events=context.sink("plain"))
    for line in show_plan(planned, lowered, normalise=options.normalise):
        context.print(context.translate(line))
    return 0


def show_plan(planned: list[Planned], lowered: Lowered, *, normalise: bool) -> list[str]:
    """The plan as lines: every step, what happens to it, and why."""
    from teul.cli.why import because

    numbers = {item.vertex: number for number, item in enumerate(planned, start=1)}
    made: list[str] = []
    for item in planned:
        below = "".join(f" <#{numbers[source]}" for source in item.vertex.inputs)
        made.append(f"#{numbers[item.vertex]} {item.state:7} {item.vertex.name or item.vertex.op}{below}")
        made += [f"   {line}" for line in because(item.reason, item.causes)] if item.state == "run" else []
    if normalise:
        from teul.build.normalise import describe

        made.append(text("normalised after every step: times to one constant, and"))
        made += [f"   {path} {action}: {reason}" for path, action, reason in describe()]
    return made


def read_stdin() -> bytes:
    """All of stdin."""
    return sys.stdin.buffer.read()
