"""An NVIDIA device specification for this machine, made from the driver's files; the toolkit need not be installed.

What the toolkit's hooks do inside the container is done with mounts alone: the driver's libraries are bound into a
folder where the container's own loader looks, under each name that they go by, so nothing runs there and no loader
cache is touched.

Source: nvidia-container-toolkit 1.20, pkg/nvcdi (which files), nvidia-container-cli (which capability takes which).
"""

from __future__ import annotations

import os

from teul.gpu import libraries
from teul.gpu.cdi import DeviceNode, Edits, HostMount, Specification

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from teul.gpu.nvidia import NvidiaDriver

KIND = "nvidia.com/gpu"
CAPABILITIES = ("compute", "utility", "video", "graphics", "display", "ngx", "compat32")
DEFAULT_CAPABILITIES = ("utility", "compute")
_COMMON_NODES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
_BINARIES = {
    "nvidia-smi": "utility", "nvidia-debugdump": "utility", "nvidia-persistenced": "utility",
    "nvidia-cuda-mps-control": "compute", "nvidia-cuda-mps-server": "compute",
    "nvidia-imex": "compute", "nvidia-imex-ctl": "compute",
}  # fmt: skip
_SOCKETS = ("run/nvidia-persistenced/socket", "run/nvidia-fabricmanager/socket", "tmp/nvidia-mps")
_LIBRARIES = {
    "utility": ("libnvidia-ml.", "libnvidia-cfg.", "libnvidia-nscq.", "libnvidia-gpucomp."),
    "compute": (
        *(
            "libcuda.",
            "libcudadebugger.",
            "libnvidia-opencl.",
            "libnvidia-ptxjitcompiler.",
            "libnvidia-fatbinaryloader.",
        ),
        *("libnvidia-allocator.", "libnvidia-compiler.", "libnvidia-nvvm", "libnvidia-pkcs11", "libnvidia-gpucomp."),
        *("libnvidia-tileiras.", "libnvidia-sandboxutils."),
    ),
    "video": ("libvdpau_nvidia.", "libnvidia-encode.", "libnvidia-opticalflow.", "libnvcuvid."),
    "display": ("libnvidia-wayland", "libnvidia-egl"),
    "ngx": ("libnvidia-ngx.",),
}
"""Which libraries go with a capability; all others that carry the driver's version are for graphics."""
_READ_ONLY = ("ro", "nosuid", "nodev", "rbind", "rprivate")


def parse_capabilities(value: str) -> tuple[str, ...]:
    """`NVIDIA_DRIVER_CAPABILITIES` (`compute,utility`, `all`); unknown words are left out, "" is the default."""
    words = [word.strip() for word in value.split(",") if word.strip()]
    if "all" in words:
        return CAPABILITIES
    return tuple(word for word in words if word in CAPABILITIES) or DEFAULT_CAPABILITIES


def generate(
    driver: NvidiaDriver,
    *,
    driver_root: str = "/",
    machine: str,
    capabilities: Iterable[str] = DEFAULT_CAPABILITIES,
    library_folder: str = "",
) -> Specification:
    """Devices `0`, `1` …, each card's UUID, and `all`.

    Args:
        driver_root: where the driver's files and nodes are.
        library_folder: where the container's loader looks; "" leaves each library where this machine has it.
    """
    wanted = tuple(capabilities)
    root = driver_root.rstrip("/")
    nodes = tuple(
        DeviceNode(path=f"/dev/{name}", host_path=f"{root}/dev/{name}")
        for name in _COMMON_NODES
        if os.path.exists(f"{root}/dev/{name}")
    )
    common = Edits(
        # Keeps a toolkit that is in the way from doing it all again.
        env=("NVIDIA_VISIBLE_DEVICES=void",),
        nodes=nodes,
        mounts=(
            *_libraries(driver.version, root, machine, wanted, library_folder),
            *_binaries(root, wanted),
            *_firmware(driver.version, root),
            *_sockets(root),
        ),
    )
    devices: dict[str, Edits] = {}
    every: list[DeviceNode] = []
    for number, card in enumerate(driver.gpus):
        name = f"nvidia{card.minor}"
        node = DeviceNode(path=f"/dev/{name}", host_path=f"{root}/dev/{name}")
        every.append(node)
        devices[str(number)] = Edits(nodes=(node,))
        if card.uuid:
            devices[card.uuid] = Edits(nodes=(node,))
    if every:
        devices["all"] = Edits(nodes=tuple(every))
    return Specification(kind=KIND, devices=devices, edits=common)


def _libraries(
    version: str, root: str, machine: str, capabilities: tuple[str, ...], library_folder: str
) -> list[HostMount]:
    made: dict[str, HostMount] = {}
    for soname, path in sorted(libraries.find(root or "/", machine).items()):
        real = os.path.realpath(f"{root}{path}")
        name = os.path.basename(real)
        if not name.endswith(f".so.{version}") or not _serves(name, capabilities):
            continue
        folder = library_folder or os.path.dirname(path)
        if os.path.basename(os.path.dirname(real)) == "vdpau":
            folder += "/vdpau"
        names = [name, soname]
        # What a program that links at run time asks for has no number.
        if name.startswith(("libcuda.so", "libnvidia-ml.so", "libnvidia-opticalflow.so", "libGLX_nvidia.so")):
            names.append(name.partition(".so")[0] + ".so")
        for each in names:
            made.setdefault(f"{folder}/{each}", HostMount(real, f"{folder}/{each}", _READ_ONLY))
    return list(made.values())


def _serves(name: str, capabilities: tuple[str, ...]) -> bool:
    named = {kind for kind, prefixes in _LIBRARIES.items() if name.startswith(prefixes)} or {"graphics"}
    return bool(named & set(capabilities))


def _binaries(root: str, capabilities: tuple[str, ...]) -> list[HostMount]:
    made = []
    for name, capability in _BINARIES.items():
        for folder in ("usr/bin", "usr/local/bin", "bin", "usr/sbin"):
            path = f"{root}/{folder}/{name}"
            if capability in capabilities and os.access(path, os.X_OK):
                made.append(HostMount(os.path.realpath(path), f"/usr/bin/{name}", _READ_ONLY))
                break
    return made


def _firmware(version: str, root: str) -> list[HostMount]:
    for base in ("lib/firmware", "usr/lib/firmware"):
        folder = f"{root}/{base}/nvidia/{version}"
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        return [
            HostMount(f"{folder}/{name}", f"/lib/firmware/nvidia/{version}/{name}", _READ_ONLY)
            for name in names
            if name.startswith("gsp") and name.endswith(".bin")
        ]
    return []


def _sockets(root: str) -> list[HostMount]:
    return [
        HostMount(f"{root}/{path}", f"/{path}", (*_READ_ONLY, "noexec"))
        for path in _SOCKETS
        if os.path.exists(f"{root}/{path}")
    ]
