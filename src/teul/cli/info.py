"""`teul info`: what is in the state folder and what it runs on, in Docker's words."""

from __future__ import annotations

import os

from teul.cli.flags import Flag
from teul.cli.units import human_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (Flag("format", "f", help="Output format: json, or a Go template such as {{.ServerVersion}}"),)


def run(arguments: Arguments, context: Context) -> int:
    facts = collect(context)
    template = arguments.string("format")
    if template:
        from teul.cli.templates import render_template

        context.print(render_template(template, facts))
        return 0
    for label, name in (
        ("Containers", "Containers"),
        (" Running", "ContainersRunning"),
        (" Paused", "ContainersPaused"),
        (" Stopped", "ContainersStopped"),
        ("Images", "Images"),
        ("Server Version", "ServerVersion"),
        ("Storage Driver", "Driver"),
        ("Cgroup Version", "CgroupVersion"),
        ("Logging Driver", "LoggingDriver"),
        ("Runtimes", "Runtimes"),
        ("Default Runtime", "DefaultRuntime"),
        ("Kernel Version", "KernelVersion"),
        ("Operating System", "OperatingSystem"),
        ("OSType", "OSType"),
        ("Architecture", "Architecture"),
        ("CPUs", "NCPU"),
    ):
        value = facts[name]
        context.print(f"{label}: {' '.join(value) if isinstance(value, dict) else value}")
    memory = facts["MemTotal"]
    assert isinstance(memory, int)
    context.print(f"Total Memory: {human_memory(memory)}")
    context.print(f"Name: {facts['Name']}")
    context.print(f"Root Dir: {facts['DockerRootDir']}")
    return 0


def collect(context: Context) -> dict[str, object]:
    """The fields of Docker's `GET /info` that teul has."""
    import teul
    from teul.cli.templates import Anything
    from teul.engine.containers import list_containers
    from teul.errors import TeulError
    from teul.gpu.nvidia import detect
    from teul.host.probe import cgroup_mode

    engine = context.engine
    containers = list_containers(engine, all=True)
    paused = sum(container.paused for container in containers if container.is_running)
    running = sum(container.is_running for container in containers)
    runtimes = Anything()
    try:
        runtime = engine.driver.name
        runtimes[runtime] = {"path": engine.driver.path}
    except TeulError:
        runtime = ""
    if runtime and detect(context.settings.driver_root) is not None:
        # What scripts look for before they say `--gpus`; the cards come into containers without a runtime of their own.
        runtimes["nvidia"] = {"path": engine.driver.path}
    kernel = os.uname()
    return {
        "Containers": len(containers),
        "ContainersRunning": running - paused,
        "ContainersPaused": paused,
        "ContainersStopped": len(containers) - running,
        "Images": len(engine.images.list()),
        "ServerVersion": teul.__version__,
        "Driver": engine.snapshots.kind,
        "CgroupVersion": {"v2": "2", "v1": "1"}.get(cgroup_mode(), cgroup_mode()),
        "Runtimes": runtimes,
        "DefaultRuntime": runtime,
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Log": ["json-file", "local", "none"]},
        "KernelVersion": kernel.release,
        "OperatingSystem": _operating_system(),
        "OSType": "linux",
        "Architecture": kernel.machine,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "Name": kernel.nodename,
        "DockerRootDir": context.settings.root,
    }


def _operating_system() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.partition("=")[2].strip().strip('"')
    except OSError:
        pass
    return "Linux"
