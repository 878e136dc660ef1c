"""Docker's default system call filter, lowered for one container. Must not load anything into the kernel.

`seccomp.json` holds the profile in Docker's own terms: a list of allowed calls, some only with a capability, an
architecture or a kernel. `lower` picks what applies and gives the `linux.seccomp` object of the runtime's config.

Spec: runtime-spec v1.1 config-linux.md, "Seccomp"; Docker's documentation, "Seccomp security profiles for Docker".
"""

from __future__ import annotations

import os

from teul.errors import InvalidInput, text
from teul.plain_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

_MACHINES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "i686": ("x86", "SCMP_ARCH_X86"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
}
"""`uname -m` → the name in profiles, the name in the config."""
_RULE_KEYS = ("names", "action", "errnoRet", "args")


def default_profile() -> dict[str, Any]:
    """Docker's default, as data."""
    with open(f"{os.path.dirname(__file__)}/seccomp.json", "rb") as file:
        made: dict[str, Any] = loads(file.read())
    return made


def load_profile(path: str) -> dict[str, Any]:
    """The profile that `--security-opt seccomp=PATH` names.

    Raises:
        InvalidInput: not there, or not a profile.
    """
    try:
        with open(path, "rb") as file:
            made = loads(file.read())
    except (OSError, ValueError) as error:
        raise InvalidInput(text("seccomp profile `{path}`: {problem}", path=path, problem=error)) from error
    if not isinstance(made, dict) or "defaultAction" not in made:
        raise InvalidInput(text("seccomp profile `{path}`: expected an object with `defaultAction`", path=path))
    return made


def lower(
    profile: Mapping[str, Any], capabilities: Collection[str], *, machine: str = "", kernel: str = ""
) -> dict[str, Any]:
    """The `linux.seccomp` object for a container with these *capabilities* (`CAP_…`, its bounding set).

    *machine* and *kernel* are `uname`'s; "" asks the running kernel.
    """
    host = os.uname()
    arch, native = _MACHINES.get(machine or host.machine, (machine or host.machine, ""))
    version = _version(kernel or host.release)
    architectures = list(profile.get("architectures") or ())
    for entry in profile.get("archMap") or ():
        if entry["architecture"] == native:
            architectures = [native, *(entry.get("subArchitectures") or ())]
    # No distribution's kernel runs x32 programs any more, and every architecture costs a container's start 3 ms.
    architectures = [name for name in architectures if name != "SCMP_ARCH_X32"]
    rules = []
    for rule in profile.get("syscalls") or ():
        includes = rule.get("includes") or {}
        excludes = rule.get("excludes") or {}
        if includes.get("arches") and arch not in includes["arches"]:
            continue
        if excludes.get("arches") and arch in excludes["arches"]:
            continue
        if includes.get("caps") and not all(cap in capabilities for cap in includes["caps"]):
            continue
        if excludes.get("caps") and any(cap in capabilities for cap in excludes["caps"]):
            continue
        if includes.get("minKernel") and version < _version(includes["minKernel"]):
            continue
        if excludes.get("minKernel") and version >= _version(excludes["minKernel"]):
            continue
        rules.append({key: rule[key] for key in _RULE_KEYS if key in rule})
    made: dict[str, Any] = {"defaultAction": profile["defaultAction"], "architectures": architectures}
    if "defaultErrnoRet" in profile:
        made["defaultErrnoRet"] = profile["defaultErrnoRet"]
    if not architectures:
        del made["architectures"]
    made["syscalls"] = rules
    return made


def _version(release: str) -> tuple[int, int]:
    numbers = []
    for part in release.split(".")[:2]:
        digits = ""
        for char in part:
            if not char.isdigit():
                break
            digits += char
        numbers.append(int(digits or 0))
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)
