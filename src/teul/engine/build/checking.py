"""`--check` and `--call`: what a Dockerfile says, without building it. Nothing is pulled and nothing runs."""

from __future__ import annotations

from teul.build.dockerfile.lower import BaseImage, lower
from teul.build.dockerfile.parser import parse
from teul.build.dockerfile.reader import read
from teul.engine.build.inputs import named_contexts, read_dockerfile, read_source
from teul.errors import DockerfileError, TeulError
from teul.oci.image import ExecutionConfig, ImageConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from teul.build.dockerfile.instructions import Program
    from teul.build.lint.rules import Finding
    from teul.engine import Engine
    from teul.engine.build import BuildOptions
    from teul.oci.descriptor import Platform
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found, and the error that would have ended a build, if there is one."""

    path: str
    source: str
    findings: tuple[Finding, ...]
    error: DockerfileError | None = None


def check(engine: Engine, options: BuildOptions) -> Checked:
    """Run all build checks over all stages.

    An image that is not on this machine is not fetched: what depends on its environment is not judged then.
    """
    from teul.engine.build.options import find_epoch, lower_options
    from teul.values import replace

    _, path, source = read_source(options)
    try:
        dockerfile, ignore, _ = read_dockerfile(options)
        contexts = named_contexts(
            {
                name: value
                for name, value in options.build_contexts.items()
                if "://" not in value or value.startswith("docker-image://")
            },
            lambda name, address: "/",
        )
        settings = lower_options(engine, options, contexts, find_epoch(engine, options), ignore)
        asked = replace(settings, all_stages=not options.target, allowed=_Everything(("device",)))

        def resolve(reference: str, platform: Platform) -> BaseImage:
            return _known_image(engine, reference, platform)

        lowered = lower(dockerfile, asked, resolve)
    except DockerfileError as error:
        return Checked(path=path, source=source, findings=_written(source, path), error=error)
    return Checked(path=path, source=source, findings=lowered.findings)


class _Everything(frozenset[str]):
    """All that a RUN may ask for: a check gives nothing away."""

    def __contains__(self, item: object) -> bool:
        return True


def _written(source: str, path: str) -> tuple[Finding, ...]:
    """What can be found in a file that does not build: the checks of its words, as far as they can be read."""
    from teul.build.lint.rules import Checks, Findings
    from teul.build.lint.written import check_written

    found = Findings(Checks())
    try:
        dockerfile = parse(source, path)
        check_written(dockerfile, read(dockerfile), found)
    except DockerfileError:
        return ()
    return found.ordered()


def read_program(options: BuildOptions) -> tuple[Program, str, str]:
    """The file's instructions, its path as it is shown, and its text, for an outline.

    Raises:
        DockerfileError.
    """
    _, path, source = read_source(options)
    return read(parse(source, path)), path, source


def _known_image(engine: Engine, reference: str, platform: Platform) -> BaseImage:
    try:
        found = None if reference.startswith("oci-layout://") else engine.images.find(reference)
    except DockerfileError:
        raise
    except TeulError:
        found = None
    if found is not None:
        return BaseImage(id=found.id, config=found.config, reference=reference)
    config = ImageConfig(platform=platform, config=ExecutionConfig())
    return BaseImage(id="", config=config, reference=reference, is_unknown=True)
