"""NVIDIA GPUs as the driver's own files tell them. Must not load a library of the driver or start a program."""

from __future__ import annotations

import os
from dataclasses import dataclass

CUDA_FLOORS = ((580, 13), (525, 12), (450, 11))
"""Driver's major version from which all of a CUDA major version runs.

Source: docs.nvidia.com/deploy/cuda-compatibility, "Minor Version Compatibility".
"""
COMMON_NODES = ("nvidiactl", "nvidia-uvm")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card: `minor` is the number of `/dev/nvidia<minor>`, `bus` its PCI address."""

    minor: int
    model: str
    uuid: str
    bus: str


@dataclass(frozen=True, slots=True)
class NvidiaDriver:
    """The loaded kernel module and what it drives. `missing_nodes` are absolute paths that ought to exist."""

    version: str
    gpus: tuple[Gpu, ...]
    missing_nodes: tuple[str, ...] = ()

    @property
    def cuda_major(self) -> int:
        """The newest CUDA major version that the driver runs, 0 when it is older than CUDA 11's."""
        major = int(self.version.partition(".")[0] or 0)
        return next((cuda for floor, cuda in CUDA_FLOORS if major >= floor), 0)


def detect(driver_root: str = "/") -> NvidiaDriver | None:
    """What `<driver_root>/proc/driver/nvidia` says, or None when no NVIDIA driver is loaded."""
    base = os.path.join(driver_root, "proc/driver/nvidia")
    try:
        with open(f"{base}/version", encoding="utf-8", errors="replace") as file:
            version = parse_version(file.read())
    except OSError:
        return None
    gpus = []
    try:
        buses = sorted(os.listdir(f"{base}/gpus"))
    except OSError:
        buses = []
    for bus in buses:
        try:
            with open(f"{base}/gpus/{bus}/information", encoding="utf-8", errors="replace") as file:
                gpus.append(parse_information(file.read(), bus))
        except (OSError, ValueError):
            continue
    gpus.sort(key=lambda gpu: gpu.minor)
    nodes = [f"nvidia{gpu.minor}" for gpu in gpus] + list(COMMON_NODES if gpus else ())
    missing = tuple(f"/dev/{node}" for node in nodes if not os.path.exists(os.path.join(driver_root, "dev", node)))
    return NvidiaDriver(version, tuple(gpus), missing)


def parse_version(document: str) -> str:
    """The driver's version from `/proc/driver/nvidia/version`, "" when it has none.

    The line is `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue …`; open modules say
    `NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build …`.
    """
    for line in document.splitlines():
        if line.startswith("NVRM version:"):
            for word in line.split():
                parts = word.split(".")
                if len(parts) in (2, 3) and all(part.isdigit() for part in parts):
                    return word
    return ""


def parse_information(document: str, bus: str) -> Gpu:
    """One `/proc/driver/nvidia/gpus/<bus>/information`.

    Raises:
        ValueError: no device minor in it.
    """
    values = {}
    for line in document.splitlines():
        name, _, value = line.partition(":")
        values[name.strip()] = value.strip()
    return Gpu(
        minor=int(values.get("Device Minor", "")),
        model=values.get("Model", "NVIDIA GPU"),
        uuid=values.get("GPU UUID", ""),
        bus=values.get("Bus Location", bus),
    )
