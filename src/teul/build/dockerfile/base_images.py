"""Which images a target will ask for, before any of them is asked for, so that they can be fetched side by side. Pure."""

from __future__ import annotations

from teul.build.dockerfile import instructions as ins
from teul.build.dockerfile.lower import Lowering
from teul.build.dockerfile.lowered import SCRATCH
from teul.errors import TeulError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.build.dockerfile.lowered import BaseImage, LowerOptions, OpenStage
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
        pending = [lowering.find_target()]
    except TeulError:
        return ()
    found: dict[tuple[str, Platform], None] = {}
    seen: set[int] = set()
    while pending:
        stage = pending.pop()
        if stage.index in seen:
            continue
        seen.add(stage.index)
        platform = stage.platform or options.platform
        names = [] if stage.parent is not None or stage.context is not None else [stage.image]
        if stage.parent is not None:
            pending.append(stage.parent)
        for name in _origins(stage):
            other = lowering.by_name.get(name.lower())
            if other is None and name.isdigit() and int(name) < len(lowering.stages):
                other = lowering.stages[int(name)]
            if other is not None:
                pending.append(other)
            else:
                names.append(name)
        for name in names:
            context = lowering.named_context(name)
            if context is not None:
                name = context.value if context.kind == "image" else SCRATCH
            if name and name != SCRATCH and "$" not in name:
                found.setdefault((name, platform))
    return tuple(found)


def _origins(stage: OpenStage) -> list[str]:
    """What COPY and RUN --mount take files from."""
    made: list[str] = []
    for instruction in stage.body:
        if isinstance(instruction, ins.Copy) and instruction.origin:
            made.append(instruction.origin)
        elif isinstance(instruction, ins.Run):
            for mount in instruction.mounts:
                made += [part[5:] for part in mount.split(",") if part.lower().startswith("from=")]
    return made


def _never(reference: str, platform: Platform) -> BaseImage:
    raise AssertionError
