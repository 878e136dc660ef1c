"""GPUs: what the machine has (`nvidia`), device specifications (`cdi`), NVIDIA's made here (`generate`), what `--gpus`
asks for (`requests`), and what an image demands of the driver (`demands`).

Emits edits of a container as values; must not know what a container is, load a driver's library or start a program.
"""

from __future__ import annotations

from teul.gpu.nvidia import CUDA_FLOORS, Gpu, NvidiaDriver, detect, parse_information, parse_version

__all__ = ["CUDA_FLOORS", "Gpu", "NvidiaDriver", "detect", "parse_information", "parse_version"]
