"""Which images a target will ask for, before any of them is asked for, so that they can be fetched side by side. Pure."""

from __future__ import annotations

from teul.build.dockerfile.lower import Lowering
from teul.build.dockerfile.lowered import SCRATCH, origins_of
from teul.errors import TeulError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.build.dockerfile.lowered import BaseImage, LowerOptions
    from teul.build.dockerfile.parser import Dockerfile
    from teul.oci.descriptor import Platform


def base_images(dockerfile: Dockerfile, options: LowerOptions) -> tuple[tuple[str, Platform], ...]:
    """References and platforms of the images that the target's stages stand on or copy from, each once.

    A guess that may lack some (what an ONBUILD names, what is wrong in the file): lowering has the last word.
    """
    try:
        lowering = Lowering(dockerfile, options, _never)
        lowering.collect_globals()
        for index, written in enumerate(lowering.program.stages):
            lowering.collect_stage(index, written)
        needed = lowering.needed(lowering.find_target())
    except TeulError:
        return ()
    found: dict[tuple[str, Platform], None] = {}
    for stage in needed:
        platform = stage.platform or options.platform
        names = [] if stage.parent is not None or stage.context is not None else [stage.image]
        names += [name for name in origins_of(stage) if lowering.stage_of(name) is None]
        for name in names:
            context = lowering.named_context(name)
            if context is not None:
                name = context.value if context.kind == "image" else SCRATCH
            if name and name != SCRATCH and "$" not in name:
                found.setdefault((name, platform))
    return tuple(found)


def _never(reference: str, platform: Platform) -> BaseImage:
    raise AssertionError
