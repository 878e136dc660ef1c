"""What `--gpus` and CDI names of `--device` bring into a container. Looks at the machine at each start, for a driver may
have been updated since the container was made.
"""

from __future__ import annotations

import os
import stat

from teul import gpu
from teul.errors import HostLacks, InvalidInput, OptionUnsupported, text
from teul.gpu import cdi, generate, requests
from teul.gpu.libraries import folders
from teul.oci.runtime import Mount
from teul.runtime.spec import Device, Hook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.gpu.cdi import Edits
    from teul.gpu.requests import GpuRequest


def names_devices(container: Container) -> bool:
    """Whether there is anything to be found out for *container*."""
    return bool(container.gpus) or any(cdi.is_device_name(word) for word in container.devices)


def edits_of(engine: Engine, container: Container) -> Edits:
    """What the devices of *container* change in it.

    Raises:
        HostLacks: a GPU is asked for and there is none, or its driver is too old for the image.
        NotFound: no specification has the device.
    """
    driver_root = engine.settings.driver_root
    registry = cdi.read(tuple(driver_root.rstrip("/") + folder for folder in cdi.FOLDERS))
    named = [word for word in container.devices if cdi.is_device_name(word)]
    made = cdi.Edits()
    wanted = [requests.parse(word) for word in container.gpus]
    others = [name for name in named if not name.startswith(f"{generate.KIND}=") or name in registry]
    cards = [name.partition("=")[2] for name in named if name not in others]
    if others:
        made += registry.edits(others)
    if wanted or cards:
        made += _cards(engine, container, wanted, cards, registry)
    if made.net_devices:
        raise OptionUnsupported("CDI netDevices", hint=text("the runtime has no word for them"))
    return made


def _cards(
    engine: Engine, container: Container, wanted: Sequence[GpuRequest], cards: Sequence[str], registry: cdi.Registry
) -> Edits:
    driver_root = engine.settings.driver_root
    driver = gpu.detect(driver_root)
    if driver is None or not driver.gpus:
        if not cards and wanted and f"{generate.KIND}=all" in registry:
            # Where the driver is not the usual one (WSL, Tegra) its vendor's tool has written a specification.
            present = sum(name.startswith(f"{generate.KIND}=") and name[-1].isdigit() for name in registry.names())
            return registry.edits([f"{generate.KIND}={name}" for item in wanted for name in item.names(present)])
        return _none(wanted)
    env = dict(entry.partition("=")[::2] for entry in container.env)
    _check_demands(container, env, driver.version)
    capabilities = [word for item in wanted for word in item.capabilities]
    machine = os.uname().machine
    specification = generate.generate(
        driver,
        driver_root=driver_root,
        machine=machine,
        capabilities=generate.parse_capabilities(",".join(capabilities) or env.get("NVIDIA_DRIVER_CAPABILITIES", "")),
        library_folder=_library_folder(engine, container, machine),
    )
    for item in wanted:
        if item.driver not in ("", "nvidia", "cdi"):
            return _none(wanted)
    names = [*cards, *(name for item in wanted for name in item.names(len(driver.gpus)))]
    return cdi.Registry([specification]).edits([f"{generate.KIND}={name}" for name in names])


def _none(wanted: Sequence[GpuRequest]) -> Edits:
    driver = next((item.driver for item in wanted), "cdi")
    kinds = [["gpu", *item.capabilities] for item in wanted] or [["gpu"]]
    raise HostLacks(
        text(
            'a GPU: could not select device driver "{driver}" with capabilities: {capabilities}',
            driver=driver,
            capabilities="[" + " ".join("[" + " ".join(kind) + "]" for kind in kinds) + "]",
        ),
        hint=text("no NVIDIA driver is loaded and no CDI specification names a GPU; `teul doctor` says more"),
    )


def _check_demands(container: Container, env: Mapping[str, str], version: str) -> None:
    from teul.gpu import demands

    unmet = demands.unmet(env, version)
    if unmet:
        cuda = ".".join(str(part) for part in demands.cuda_version(version))
        raise HostLacks(
            text(
                "what image `{image}` demands: `{demand}`; the driver is {version} (CUDA {cuda})",
                image=container.image_name, demand=unmet, version=version, cuda=cuda or "-",
            ),
            hint=text("update the driver, take an image of an older CUDA, or set NVIDIA_DISABLE_REQUIRE=1"),
        )  # fmt: skip


def _library_folder(engine: Engine, container: Container, machine: str) -> str:
    """Where the loader of the container's image looks without being told."""
    layers = [engine.snapshots.layer(name).folder for name in engine.snapshots.parents(container.id)]
    for folder in folders(machine):
        for layer in layers:
            try:
                if stat.S_ISDIR(os.lstat(f"{layer}/{folder}").st_mode):
                    return f"/{folder}"
            except OSError:
                continue
    return ""


def mounts_of(edits: Edits) -> tuple[Mount, ...]:
    """The mounts, as the sandbox takes them.

    Raises:
        InvalidInput: a path that the specification names is not there.
    """
    made = []
    for mount in edits.mounts:
        kind = mount.type or "bind"
        options = mount.options or ("rbind",)
        if kind == "bind":
            if not os.path.lexists(mount.host_path):
                raise InvalidInput(text("CDI mount: host path does not exist: {path}", path=mount.host_path))
            if "bind" not in options and "rbind" not in options:
                options = ("rbind", *options)
        made.append(Mount(kind, mount.host_path, mount.path, options))
    return tuple(made)


def nodes_of(edits: Edits, *, uid: int = 0, gid: int = 0) -> list[Device]:
    """The device nodes; what a specification leaves out is as on the host.

    Raises:
        InvalidInput: there is no such node.
    """
    made: dict[str, Device] = {}
    for node in edits.nodes:
        source = node.host_path or node.path
        kind, major, minor, mode = node.kind, node.major, node.minor, node.mode
        if not kind or (not major and not minor and kind != "p") or mode is None:
            try:
                found = os.stat(source)
            except OSError as error:
                raise InvalidInput(
                    text('error gathering device information while adding custom device "{path}": {problem}',
                         path=source, problem=error.strerror or error)
                ) from error  # fmt: skip
            if not kind:
                kind = "c" if stat.S_ISCHR(found.st_mode) else "b" if stat.S_ISBLK(found.st_mode) else ""
            if not kind:
                raise InvalidInput(
                    text('error gathering device information while adding custom device "{path}": not a device node',
                         path=source)
                )  # fmt: skip
            if not major and not minor:
                major, minor = os.major(found.st_rdev), os.minor(found.st_rdev)
            mode = stat.S_IMODE(found.st_mode) if mode is None else mode
        made[node.path] = Device(
            path=node.path,
            kind=kind,
            major=major,
            minor=minor,
            mode=mode,
            uid=uid if node.uid is None else node.uid,
            gid=gid if node.gid is None else node.gid,
            access=node.access,
        )
    return list(made.values())


def hooks_of(edits: Edits) -> tuple[Hook, ...]:
    """The hooks, as the sandbox takes them.

    Raises:
        HostLacks: a program that is not there.
    """
    for hook in edits.hooks:
        if not os.access(hook.path, os.X_OK):
            raise HostLacks(hook.path, hint=text("a CDI specification wants it as a hook"))
    return tuple(
        Hook(stage=hook.stage, path=hook.path, args=hook.args, env=hook.env, timeout_s=hook.timeout_s)
        for hook in edits.hooks
    )
