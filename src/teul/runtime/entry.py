"""What an `exec` without the runtime needs to know of a container: taken from the runtime's own state, never guessed.

`keep_filter` keeps the system call filter of a container's first process while that waits to be started; it is what the
runtime made of the profile, byte for byte. `entry_of` says no to every container about which something is not known here.
"""

from __future__ import annotations

import os

from teul.host.entering import NAMESPACES, Entry, read_filter
from teul.plain_json import dumps, loads
from teul.runtime.spec import ALL_CAPABILITIES, DEFAULT_CAPABILITIES, Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from teul.runtime.driver import Driver
    from teul.runtime.spec import Process

FILTER = "seccomp"
"""The filter's file in a bundle."""
_PATIENCE_S = 2.0
"""A created container loads its filter at once, and then waits."""
_UNKNOWN = (
    *("apparmor_profile", "process_label", "no_new_keyring", "no_new_privileges", "umask", "rootless_euid"),
    *("rootless_cgroups", "uid_mappings", "gid_mappings", "personality", "scheduler", "io_priority", "time_offsets"),
    *("exec_cpu_affinity", "memory_policy"),
)
"""Fields of runc's `config` that change what an `exec` does, and must be empty."""


def keep_filter(spec: dict[str, Any], pid: int, bundle: str, kept: str) -> None:
    """Put the filter of the created container at *pid* into its *bundle*; nothing when it cannot be had.

    *kept* is a folder of filters by what they were made of: only the first container with a profile is asked.
    """
    from teul.oci.digest import Digest

    profile = spec["linux"].get("seccomp")
    if profile is None:
        return
    name = f"{kept}/{Digest.of(dumps(profile).encode()).hex}"
    try:
        if not os.path.exists(name):
            program = read_filter(pid, timeout_s=_PATIENCE_S)
            if not program:
                return
            from teul.host.fs import write_atomic

            os.makedirs(kept, mode=0o700, exist_ok=True)
            write_atomic(name, program, mode=0o600)
        try:
            os.unlink(f"{bundle}/{FILTER}")
        except FileNotFoundError:
            pass
        os.link(name, f"{bundle}/{FILTER}")
    except OSError:
        # Whoever wants to `exec` asks the runtime then.
        return


def entry_of(driver: Driver, id: str, pid: int, bundle: str, process: Process) -> Entry | None:  # noqa: A002
    """*process* as one more of the container whose first process is *pid*; None when only the runtime can do that.

    The caller has seen to it that the container has Docker's default rights, or fewer.
    """
    if driver.name != "runc" or process.terminal or process.rlimits or process.no_new_privileges:
        return None
    wanted = DEFAULT_CAPABILITIES if process.capabilities is None else process.capabilities
    env = dict(entry.partition("=")[::2] for entry in process.env)
    if (
        not env.get("HOME")
        or not process.args
        or process.cwd[:1] != "/"
        or not set(wanted) <= set(DEFAULT_CAPABILITIES)
    ):
        return None
    try:
        with open(f"{bundle}/{FILTER}", "rb") as file:
            program = file.read()
        with open(f"{driver.root}/{id}/state.json", "rb") as file:
            state = loads(file.read())
        config = state["config"]
        kinds = [item["type"] for item in config["namespaces"]]
        if state["init_process_pid"] != pid or state.get("intel_rdt_path") or any(map(config.get, _UNKNOWN)):
            return None
        if not {"NEWNS", "NEWPID"} <= set(kinds) <= set(NAMESPACES):
            return None
        places = dict(state["cgroup_paths"])
        if not all(map(os.path.isdir, places.values())):
            return None
        oom_score_adj = config.get("oom_score_adj")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    namespaces = 0
    for kind in kinds:
        namespaces |= NAMESPACES[kind]
    allowed = Host.here(with_limits=False).capabilities
    return Entry(
        argv=process.args,
        env=env,
        cwd=process.cwd,
        uid=process.uid,
        gid=process.gid,
        groups=process.groups,
        capabilities=tuple(ALL_CAPABILITIES.index(name) for name in wanted if name in allowed),
        # The tree of version 2 is the one without a name.
        cgroup=places.pop("", ""),
        cgroups=tuple(places.values()),
        namespaces=namespaces,
        filter=program,
        keyring=f"_ses.{id}",
        oom_score_adj=oom_score_adj,
    )
