"""`RUN --device`: CDI devices for one step, as `teul run --device` gives them to a container."""

from __future__ import annotations

from teul.build.runs import StepDevices
from teul.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from teul.engine import Engine
    from teul.gpu.cdi import Edits


def find_devices(engine: Engine, names: Sequence[tuple[str, bool]], env: Mapping[str, str]) -> StepDevices:
    """What the devices change; one that is not required and not here is left out.

    Raises:
        NotFound: a required device that no specification has.
    """
    from teul.engine.containers.devices import hooks_of, mounts_of, nodes_of
    from teul.gpu import cdi

    driver_root = engine.settings.driver_root
    registry = cdi.read(tuple(driver_root.rstrip("/") + folder for folder in cdi.FOLDERS))
    edits = cdi.Edits()
    for name, required in names:
        try:
            edits += _edits(engine, registry, name, env)
        except NotFound:
            if required:
                raise
    return StepDevices(
        env=edits.env,
        mounts=mounts_of(edits),
        nodes=tuple(nodes_of(edits)),
        hooks=hooks_of(edits),
        groups=edits.groups,
    )


def _edits(engine: Engine, registry: object, name: str, env: Mapping[str, str]) -> Edits:
    """The edits of a specification that is installed, else of the one that is made here for NVIDIA's cards."""
    import os

    from teul import gpu
    from teul.gpu import cdi, generate

    assert isinstance(registry, cdi.Registry)
    if name in registry or not name.startswith(f"{generate.KIND}="):
        return registry.edits([name])
    driver = gpu.detect(engine.settings.driver_root)
    if driver is None or not driver.gpus:
        return registry.edits([name])
    made = generate.generate(
        driver,
        driver_root=engine.settings.driver_root,
        machine=os.uname().machine,
        capabilities=generate.parse_capabilities(env.get("NVIDIA_DRIVER_CAPABILITIES", "")),
    )
    return cdi.Registry([made]).edits([name])
