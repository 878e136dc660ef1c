"""Which platforms' programs this machine runs. Must not decide what to do with the others."""

from __future__ import annotations

import os

from teul.oci.descriptor import Platform

BINFMT = "/proc/sys/fs/binfmt_misc"
_KERNEL_NAMES = {"aarch64": "arm64", "arm": "arm", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64", "x86_64": "amd64"}  # fmt: skip


def host_platform() -> Platform:
    """What the kernel runs by itself."""
    return Platform.parse(os.uname().machine)


def emulated_architectures() -> frozenset[str]:
    """Architectures whose programs the kernel hands to an emulator (binfmt_misc), in Go's words."""
    try:
        names = os.listdir(BINFMT)
    except OSError:
        return frozenset()
    found = (name.removeprefix("qemu-") for name in names if name.startswith("qemu-"))
    return frozenset(_KERNEL_NAMES[name] for name in found if name in _KERNEL_NAMES)


def can_run(platform: Platform) -> bool:
    """Whether programs of *platform* start here; an image without an architecture is taken at its word."""
    host = host_platform()
    return (
        not platform.architecture
        or host.accepts(platform)
        or (platform.os == host.os and platform.architecture in emulated_architectures())
    )
