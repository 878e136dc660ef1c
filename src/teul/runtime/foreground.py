"""A container that lives as long as the call: what a build step and a pipeline step run in. No conmon, no record.

The rootfs is mounted in a private mount namespace, so nothing shows on the host and nothing is left when everything
is killed. A watching child (`host.launch.Stage.supervise`) holds a pipe from us: when we end in any way, it deletes the
container.
"""

from __future__ import annotations

import json
import os
import select
import time

from teul.errors import Cancelled, InvalidInput, text
from teul.host.launch import Stage, wait, wait_with_usage
from teul.runtime import driver as driver_module
from teul.runtime import host_trust, names
from teul.runtime.mountpoints import with_mountpoints
from teul.runtime.spec import Sandbox, to_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from dataclasses import dataclass, replace

    from teul.config import Settings
    from teul.oci.runtime import Mount
    from teul.runtime.driver import Driver
else:
    from teul.values import dataclass, replace

POLL_INTERVAL_S = 0.1
CHUNK_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container took: CPU time of all its processes (the runtime's own included), and the most memory that it
    held, 0 where it ended before that could be read.
    """

    cpu_s: float
    peak_memory_bytes: int


def run(
    driver: Driver,
    sandbox: Sandbox,
    *,
    id: str,  # noqa: A002
    bundle: str,
    rootfs_mounts: Sequence[Mount],
    stdin: int | None = None,
    on_output: Callable[[str, bytes], None],
    should_stop: Callable[[], bool] | None = None,
    prepare: Callable[[str, Sandbox], Sandbox] | None = None,
    trust: Settings | None = None,
    on_usage: Callable[[Usage], object] | None = None,
) -> int:
    """Run *sandbox* to its end and return the exit code of its process (128 + signal when one ended it).

    *rootfs_mounts* are mounted at `sandbox.rootfs`, an empty folder (made when it is missing) below *bundle* or
    anywhere else; *stdin* is a file descriptor, None is `/dev/null`. *on_output* gets "stdout" or "stderr" and bytes
    as they come. *prepare*, when given, is called with the path under which the mounted rootfs can be seen from here
    and may give a changed sandbox (a user looked up, for one). With *trust* the container sees the host's certificates,
    proxies and pip settings (`host_trust`). `/etc/hosts`, `hostname` and `resolv.conf` are bound unless *sandbox* mounts
    something there. None of all this shows in what an overlay's upper folder has afterwards. *on_usage* is told at the
    end what the container took.

    Raises:
        RuntimeFailed: the process could not be started; `exit_code` is 126 or 127 where that is why, else 125.
        Cancelled: *should_stop* said so; the container is gone.
    """
    if sandbox.process.terminal:
        raise InvalidInput(text("a foreground container has no terminal"))
    if not sandbox.cgroup_path:
        sandbox = replace(sandbox, cgroup_path=driver.cgroup_path(id))
    os.makedirs(bundle, mode=0o700, exist_ok=True)
    os.makedirs(sandbox.rootfs, mode=0o755, exist_ok=True)
    log = f"{bundle}/runtime.log"
    if os.path.exists(log):
        os.unlink(log)
    output, output_in = os.pipe()
    errors, errors_in = os.pipe()
    writers = [output_in, errors_in]
    shares_network = sandbox.network == "host"
    hostname = sandbox.hostname or (os.uname().nodename if shares_network else id[:12])
    added = names.write_name_files(
        bundle,
        hostname=hostname,
        hosts=names.hosts_text([("127.0.1.1", [hostname])]),
        resolv_conf=names.resolv_conf_text(shares_network=shares_network),
        skip=[mount.target for mount in sandbox.mounts],
    )
    if trust is not None:
        taken = {mount.target for mount in sandbox.mounts}
        added += tuple(mount for mount in host_trust.folder_mounts(trust) if mount.target not in taken)
        env = host_trust.fill(sandbox.process.env, host_trust.trust_env(trust, shares_network=shares_network))
        sandbox = replace(sandbox, process=replace(sandbox.process, env=env))
    sandbox = replace(sandbox, hostname=hostname, mounts=(*sandbox.mounts, *added))
    rootfs_mounts = with_mountpoints(rootfs_mounts, sandbox.mounts, f"{driver.folder}/mountpoints")
    stage = Stage(
        rootfs_mounts, sandbox.rootfs, stdin=-1 if stdin is None else stdin, stdout=output_in, stderr=errors_in
    )
    try:
        with stage:
            seen = stage.root + sandbox.rootfs
            if trust is not None:
                # Only now can the image's own bundle be read.
                bundles = host_trust.bundle_mounts(trust, seen)
                sandbox = replace(sandbox, mounts=(*sandbox.mounts, *bundles))
            if prepare is not None:
                sandbox = prepare(seen, sandbox)
            with open(f"{bundle}/config.json", "w") as file:
                file.write(json.dumps(to_spec(sandbox)))
            child = stage.supervise(
                driver.argv("run", "--bundle", bundle, id, log=log),
                driver.environment,
                clean_up=driver.argv("delete", "--force", id),
            )
        for descriptor in writers:
            os.close(descriptor)
        writers = []
        try:
            meter = _Meter(sandbox.cgroup_path) if on_usage is not None else None
            code, cpu_s = _relay(child, {output: "stdout", errors: "stderr"}, on_output, should_stop, meter)
            if on_usage is not None and meter is not None:
                on_usage(Usage(cpu_s, meter.peak_bytes))
        except BaseException:
            stage.abandon()
            wait(child)
            raise
    finally:
        stage.abandon()
        for descriptor in (output, errors, *writers):
            os.close(descriptor)
    if code != 0:
        message = _logged(log)
        if message:
            raise driver_module.failure(message)
    return code


def _relay(
    child: int,
    streams: dict[int, str],
    on_output: Callable[[str, bytes], None],
    should_stop: Callable[[], bool] | None,
    meter: _Meter | None,
) -> tuple[int, float]:
    """Hand on what comes until both streams end, then wait for *child*; its exit code and CPU seconds."""
    ended = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        for descriptor in streams:
            os.set_blocking(descriptor, False)
            poll.register(descriptor, select.POLLIN)
        left = set(streams)
        interval_ms = int(POLL_INTERVAL_S * 1000) if should_stop or meter else None
        stopped = False
        asked_at = 0.0
        while not stopped:
            ready = {descriptor for descriptor, _ in poll.poll(interval_ms)}
            # Everything that the container wrote is in the pipes when the supervisor ends; read to the end first.
            stopped = ended in ready
            if meter is not None and not stopped:
                meter.read()
            for descriptor in sorted(left):
                if descriptor not in ready and not stopped:
                    continue
                while True:
                    try:
                        data = os.read(descriptor, CHUNK_BYTES)
                    except BlockingIOError:
                        break
                    if not data:
                        left.discard(descriptor)
                        poll.unregister(descriptor)
                        break
                    on_output(streams[descriptor], data)
                    if not stopped and len(data) < CHUNK_BYTES:
                        break
            if not stopped and should_stop is not None and time.monotonic() - asked_at >= POLL_INTERVAL_S:
                asked_at = time.monotonic()
                if should_stop():
                    raise Cancelled(text("cancelled"))
        return wait_with_usage(child)
    finally:
        os.close(ended)


class _Meter:
    """The most memory that a cgroup held. Read while it is there: the runtime takes it away with the container.

    Spec: cgroup v1 memory.txt, "memory.max_usage_in_bytes"; cgroup-v2.rst, "memory.peak" (since Linux 5.19).
    """

    def __init__(self, path: str) -> None:
        self._files = [
            f"/sys/fs/cgroup/memory{path}/memory.max_usage_in_bytes",
            f"/sys/fs/cgroup{path}/memory.peak",
            f"/sys/fs/cgroup{path}/memory.current",
        ]
        self._read_at = 0.0
        self.peak_bytes = 0

    def read(self) -> None:
        """At most every `POLL_INTERVAL_S`."""
        now = time.monotonic()
        if now - self._read_at < POLL_INTERVAL_S and self.peak_bytes:
            return
        self._read_at = now
        for path in self._files:
            try:
                with open(path, "rb") as file:
                    self.peak_bytes = max(self.peak_bytes, int(file.read()))
                    return
            except (OSError, ValueError):
                continue


def _logged(log: str) -> str:
    try:
        with open(log, "rb") as file:
            return driver_module.message_in(file.read())
    except OSError:
        return ""
