"""Starting a container: mount, look the user up, write the bundle, let a monitor create it, then let it run.

The order makes every failure clean: what can fail comes before anything outlives this process, and what does outlive it
(the row of an endpoint, the monitor) is found again by `settle`.
"""

from __future__ import annotations

import os
import select
import sys
import time

from teul.containers import CREATED, EXITED, RESTARTING, RUNNING
from teul.engine import supervision
from teul.engine.containers.lookup import bundle_of, change, folder_of, get, true
from teul.engine.containers.mounting import mounting_of
from teul.engine.containers.processes import is_enterable, process_of
from teul.engine.containers.record import Container
from teul.engine.containers.restarting import announce_start, keep_environment
from teul.engine.containers.settlement import ATTENDED, end_leftovers, take_locks
from teul.engine.event_log import emit_container
from teul.errors import (
    ContainerNotRunning,
    ContainerRunning,
    HostLacks,
    InvalidInput,
    TeulError,
    text,
)
from teul.host.fs import FolderLock, crash_point, open_in_root
from teul.host.launch import Stage, deferred_interrupts, wait
from teul.oci.runtime import Mount
from teul.plain_json import dumps
from teul.runtime import host_trust, monitor, names
from teul.runtime.entry import keep_filter
from teul.runtime.mountpoints import mode_of, with_mountpoints
from teul.runtime.spec import Host, Process, Sandbox, to_spec
from teul.state import containers as rows
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import replace
    from typing import Any

    from teul.engine import Engine
    from teul.engine.networks import Joined
    from teul.gpu.cdi import Edits
    from teul.host.launch import Stage as StageType
    from teul.runtime.spec import DeviceRule, Hook
    from teul.volumes import MountPoint
else:
    from teul.values import replace

INIT_TARGET = "/dev/.teul/init"
STARTED_FIELDS = (
    *("status", "pid", "process_start", "monitor_pid", "monitor_start", "started_at", "finished_at", "exit_code"),
    *("error", "oom_killed", "places", "ports", "stopped", "restart_count", "restart_delay_s", "restart_at"),
)
"""What a start changes in a container's record."""
UNDO_TRIES = 200
UNDO_PAUSE_S = 0.02


class Started:
    """A created container that waits for `go`; used within a `with` block, which takes everything back on an error."""

    def __init__(
        self,
        engine: Engine,
        container: Container,
        *,
        is_attended: bool,
        is_restart: bool = False,
        console_size: tuple[int, int] | None = None,
    ) -> None:
        self._console_size = console_size
        self.engine = engine
        self.container = container
        self.monitor = 0
        """The monitor's pid while it is our child (*is_attended*), else 0."""
        self._is_attended = is_attended
        self._is_restart = is_restart
        self._before = container
        self._bundle = bundle_of(engine, container.id)
        self._lock: FolderLock | None = None
        self._attended: FolderLock | None = None
        self._joined: Joined | None = None
        self._spec: dict[str, Any] = {}

    def __enter__(self) -> Started:
        try:
            # Until it runs, and for as long as we attend to it, its monitor must not clean up after it.
            self._lock, self._attended = take_locks(
                folder_of(self.engine, self.container.id), self._bundle, check=self._check
            )
            os.makedirs(f"{self._bundle}/rootfs", mode=0o755, exist_ok=True)
            # An interrupt in the middle would leave a runtime that is still making what nobody knows of.
            with deferred_interrupts():
                self._create()
        except BaseException as error:
            self._take_back(error)
            raise
        return self

    def go(self) -> Container:
        """Let the container run, and remember it."""
        try:
            with deferred_interrupts():
                # Remembered first: a row must never say less than what runs.
                remembered = change(
                    self.engine, self.container.id, {name: getattr(self.container, name) for name in STARTED_FIELDS}
                )
                if remembered is None:
                    raise ContainerNotRunning(self.container.name)
                self.container = remembered
                announce_start(self.engine, self.container)
                crash_point("container-remembered")
                if is_enterable(self.container):
                    kept = f"{self.engine.settings.run_root}/seccomp"
                    keep_filter(self._spec, self.container.pid, self._bundle, kept)
                self.engine.driver.start(self.container.id, pid=self.container.pid)
                crash_point("container-started")
                emit_container(self.engine, self.container, "start")
        except BaseException as error:
            self._take_back(error)
            raise
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._joined is not None:
            self._joined.close()
            self._joined = None
        if self.container.restart and not self._is_restart:
            keep_environment(self.engine, self.container.id)
        if supervision.is_wanted(self.container):
            supervision.ensure(self.engine)
        if not self._is_attended:
            self.leave()
        return self.container

    def leave(self) -> None:
        """Attend no longer: from now on the monitor's command cleans up. Idempotent."""
        if self._attended is not None:
            self._attended.release()
            self._attended = None
        if monitor.exit_code(self._bundle, self.container.id) is not None:
            # It ended while its monitor still saw us here, so nobody else will.
            from teul.engine.containers.settlement import settle

            settle(self.engine, self.container.id)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for lock in (self._lock, self._attended):
            if lock is not None:
                lock.release()
        self._lock = self._attended = None
        if self._joined is not None:
            self._joined.close()
            self._joined = None

    def _check(self) -> None:
        row = rows.by_id(self.engine.db, self.container.id)
        if row is None:
            raise ContainerNotRunning(self.container.name)
        self.container = self._before = Container.from_row(row)
        status = self.container.status
        # A policy's start is called off by whatever has happened to the container meanwhile.
        if status != RESTARTING if self._is_restart else status in (RUNNING, RESTARTING):
            raise ContainerRunning(self.container.name)

    def _create(self) -> None:
        engine, container = self.engine, self.container
        bundle = self._bundle
        rootfs = f"{bundle}/rootfs"
        if os.path.isdir(f"{engine.driver.root}/{container.id}") or monitor.is_there(bundle, container.id):
            end_leftovers(engine, container.id)
        monitor.forget(bundle, container.id)
        if container.places:
            from teul.engine import networks

            self._joined = networks.join(engine, container)
            crash_point("container-joining")
            container = replace(container, places=self._joined.places, ports=self._joined.ports)
        mounting = mounting_of(engine, container, bundle)
        mounts = mounting.mounts
        images = _image_views(engine, container, bundle)
        edits = _device_edits(engine, container)
        if edits is not None:
            from teul.engine.containers.devices import mounts_of

            given = {mount.target for mount in mounts}
            mounts += tuple(mount for mount in mounts_of(edits) if mount.target not in given)
        taken = [mount.target for mount in mounts]
        mounts += self._name_files(container, taken)
        if container.add_trust:
            mounts += tuple(mount for mount in host_trust.folder_mounts(engine.settings) if mount.target not in taken)
        sockets = self._joined.port_sockets if self._joined is not None else []
        with (
            monitor.Channel() as channel,
            Stage(
                (
                    *with_mountpoints(
                        engine.snapshots.mounts(container.id), mounts, f"{engine.settings.root}/mountpoints"
                    ),
                    *images,
                    *mounting.staged,
                ),
                rootfs,
                keep=(*channel.kept, *sockets),
            ) as stage,
        ):
            # The child is mounting; what does not depend on it is found out meanwhile.
            host = Host.here(with_limits=bool(container.ulimits))
            seen = stage.root + rootfs
            self.monitor = self._watch(stage, channel)
            crash_point("container-watched")
            try:
                # And the monitor is being loaded; it waits for us to begin.
                if container.add_trust:
                    mounts += host_trust.bundle_mounts(engine.settings, seen)
                _check_rootfs(container, seen)
                self._fill_volumes(container, seen)
                sandbox = self._sandbox(container, rootfs, seen, mounts, edits)
                self._spec = to_spec(sandbox, host)
                with open(f"{bundle}/config.json", "w") as file:
                    file.write(dumps(self._spec))
                crash_point("container-described")
                channel.begin()
            except BaseException:
                channel.call_off(self.monitor)
                raise
            if self._joined is not None:
                self._joined.finish()
                crash_point("container-joined")
                container = replace(container, places=self._joined.places)
                self._joined.close_sockets()
            process = channel.wait_created(f"{engine.driver.root}/{container.id}/exec.fifo")
        _set_memory_modes(container, process)
        crash_point("container-created")
        watcher = self.monitor
        if not self._is_attended:
            # What we started has forked the monitor proper and is ending.
            wait(self.monitor)
            self.monitor = 0
            watcher = monitor.monitor_pid(self._bundle)
        self.container = replace(
            container,
            status=RUNNING,
            pid=process,
            process_start=process_start(process),
            monitor_pid=watcher,
            monitor_start=process_start(watcher),
            started_at=time.time(),
            finished_at=0.0,
            exit_code=0,
            error="",
            oom_killed=False,
            restart_at=0.0,
        )
        if not self._is_restart:
            # A user's start begins anew; a policy's goes on counting.
            self.container = replace(self.container, stopped=False, restart_count=0, restart_delay_s=0.0)

    def _watch(self, stage: StageType, channel: monitor.Channel) -> int:
        container = self.container
        return monitor.become_monitor(
            stage,
            channel,
            self.engine.driver,
            id=container.id,
            name=container.name,
            bundle=self._bundle,
            log=f"{folder_of(self.engine, container.id)}/log" if container.keep_log else "",
            terminal=container.tty,
            stdin=container.interactive,
            leave_stdin_open=container.interactive and (container.tty or not self._is_attended),
            is_child=self._is_attended,
            exit_command=exit_command(self._bundle, container.id),
            environment=supervision.environment(self.engine.settings),
        )

    def _name_files(self, container: Container, taken: Sequence[str]) -> tuple[Mount, ...]:
        skip = list(taken)
        shares_network = container.network_mode == "host"
        folder = self._bundle
        if container.network_mode.startswith("container:"):
            other = bundle_of(self.engine, container.network_mode.removeprefix("container:"))
            return tuple(
                Mount("bind", f"{other}/{name}", f"/etc/{name}", ("rbind", "rprivate"))
                for name in ("hosts", "hostname", "resolv.conf")
                if f"/etc/{name}" not in skip and os.path.exists(f"{other}/{name}")
            )
        full = f"{container.hostname}.{container.domainname}" if container.domainname else ""
        own = [full, container.hostname] if full else [container.hostname]
        places = [(word, own) for place in container.places for word in (place.address, place.address6) if word]
        gateway = container.places[0].gateway if container.places else ""
        base = _host_file("/etc/hosts") if shares_network else ""
        servers = list(container.dns)
        options = list(container.dns_options)
        if not servers and self._joined is not None:
            servers = name_servers(self.engine, container)
            if servers and not options:
                options = ["ndots:0"]
        return names.write_name_files(
            folder,
            hostname=container.hostname,
            hosts=names.hosts_text(places, extra=container.extra_hosts, gateway=gateway, base=base),
            resolv_conf=names.resolv_conf_text(
                servers=servers,
                search=container.dns_search,
                options=options,
                shares_network=shares_network,
            ),
            skip=skip,
        )

    def _fill_volumes(self, container: Container, seen: str) -> None:
        if not any(mount.kind == "volume" for mount in container.mounts):
            return
        from teul.engine import volumes

        for mount in container.mounts:
            if mount.kind == "volume" and mount.copy and not mount.subpath:
                volumes.fill(self.engine, volumes.get(self.engine, mount.name), seen, mount.target)

    def _sandbox(
        self, container: Container, rootfs: str, seen: str, mounts: tuple[Mount, ...], edits: Edits | None
    ) -> Sandbox:
        process = process_of(self.engine, container, seen, args=container.args)
        if self._console_size is not None:
            process = replace(process, console_size=self._console_size)
        if container.init:
            from teul.engine.containers.creation import find_init

            process = replace(process, args=(INIT_TARGET, "--", *process.args))
            mounts += (Mount("bind", find_init(), INIT_TARGET, ("bind", "ro")),)
        security = _security(container)
        devices = []
        if container.devices or container.privileged:
            from teul.runtime.security import host_devices, parse_device, paths

            devices = [device for word in paths(container.devices) for device in parse_device(word)]
            if container.privileged:
                devices += host_devices()
        hooks: tuple[Hook, ...] = ()
        if edits is not None:
            from teul.engine.containers.devices import hooks_of, nodes_of

            devices += nodes_of(edits, uid=process.uid, gid=process.gid)
            hooks = hooks_of(edits)
            process = replace(process, env=(*process.env, *edits.env), groups=(*process.groups, *edits.groups))
        return Sandbox(
            process=process,
            rootfs=rootfs,
            mounts=mounts,
            hostname=container.hostname,
            domainname=container.domainname,
            network=self._network(container),
            ipc=_shared(self.engine, "ipc", container.ipc),
            pid=_shared(self.engine, "pid", container.pid_mode),
            uts=_shared(self.engine, "uts", container.uts),
            limits=container.limits,
            readonly=container.readonly,
            privileged=container.privileged,
            seccomp=security[0],
            masked_paths=security[1],
            readonly_paths=security[2],
            shm_size_bytes=container.shm_size_bytes,
            cgroup=container.cgroupns,
            cgroup_path=self.engine.driver.cgroup_path(container.id, container.cgroup_parent),
            devices=tuple({device.path: device for device in devices}.values()),
            device_rules=_device_rules(container),
            hooks=hooks,
            intel_rdt=edits.intel_rdt if edits is not None else {},
            sysctls=container.sysctls,
            annotations=container.annotations,
        )

    def _network(self, container: Container) -> str:
        if self._joined is not None:
            return self._joined.path
        if container.network_mode.startswith("container:"):
            return _shared(self.engine, "net", container.network_mode)
        # One that was taken off all its networks has a loopback alone.
        return "host" if container.network_mode == "host" else "none"

    def _take_back(self, error: BaseException) -> None:
        """Leave the container as it was before, with what went wrong written on it."""
        try:
            if not isinstance(error, (ContainerRunning, ContainerNotRunning)):
                with deferred_interrupts():
                    self._undo(error)
        finally:
            self.__exit__(None, None, None)

    def _end_runtime(self) -> None:
        """Delete the container until its monitor has ended: a `create` under way is not to be seen at first."""
        patience = UNDO_TRIES
        while True:
            try:
                self.engine.driver.delete(self.container.id, force=True)
            except TeulError:
                pass
            if not self.monitor or os.waitpid(self.monitor, os.WNOHANG)[0]:
                break
            patience -= 1
            if patience <= 0:
                os.kill(self.monitor, 9)
                os.waitpid(self.monitor, 0)
                break
            select.select([], [], [], UNDO_PAUSE_S)
        self.monitor = 0

    def _undo(self, error: BaseException) -> None:
        engine, container = self.engine, self.container
        self._end_runtime()
        if self._joined is not None:
            self._joined.undo()
            self._joined = None
        code = getattr(error, "exit_code", 128)
        self.container = replace(
            container,
            status=EXITED if self._before.finished_at else CREATED,
            pid=0,
            process_start="",
            monitor_pid=0,
            monitor_start="",
            started_at=self._before.started_at,
            finished_at=self._before.finished_at,
            restart_at=0.0,
            exit_code=code if isinstance(code, int) else 128,
            error=str(error),
            places=tuple(replace(place, address="", address6="", mac="") for place in container.places),
            ports=(),
        )
        change(engine, container.id, {name: getattr(self.container, name) for name in STARTED_FIELDS})


def start(engine: Engine, container: str, *, is_restart: bool = False) -> Container:
    """Start a container that is not running, in the background.

    *is_restart*: its policy asks for it, and not a user.

    Raises:
        ContainerNotFound, ContainerRunning, PortInUse.
        RuntimeFailed: its program cannot be started; `exit_code` is Docker's (125, 126, 127).
    """
    found = get(engine, container)
    with Started(engine, found, is_attended=False, is_restart=is_restart) as started:
        return started.go()


def exit_command(bundle: str, container: str) -> tuple[str, ...]:
    """What the monitor runs when the container has ended; nothing, at the price of a `flock`, while somebody attends."""
    code = "from teul.engine.containers.settlement import main; main()"
    # -P: what lies in the working folder is not ours to import.
    settle = (sys.executable, "-P", "-c", code, container)
    for path in ("/usr/bin/flock", "/bin/flock"):
        if os.access(path, os.X_OK):
            return (path, "--nonblock", "--conflict-exit-code", "0", f"{bundle}/{ATTENDED}", *settle)
    return settle


def _image_views(engine: Engine, container: Container, bundle: str) -> tuple[Mount, ...]:
    """The images that are mounted into the container, as mounts of the stage beside its rootfs."""
    made: list[Mount] = []
    for number, point in enumerate(container.mounts):
        if point.kind == "image":
            place = f"{bundle}/images/{number}"
            os.makedirs(place, mode=0o755, exist_ok=True)
            layers = engine.images.layers(engine.images.get(point.name))
            if point.subpath and _is_folder_below([engine.snapshots.layer(name).folder for name in layers], point):
                # What is mounted over it decides; its being a folder says what the mount point has to be.
                os.makedirs(f"{place}/{point.subpath}", mode=0o755, exist_ok=True)
            made += [mount.at(place) for mount in engine.snapshots.view(layers)]
    return tuple(made)


def _is_folder_below(layers: Sequence[str], point: MountPoint) -> bool:
    """Whether the subpath of an image's mount is a folder there.

    Raises:
        InvalidInput: it is not there, or there is a link on the way, which could lead out of the image.
    """
    import stat

    parts = [part for part in point.subpath.split("/") if part not in ("", ".")]
    mode = stat.S_IFDIR
    for count in range(1, len(parts) + 1):
        inside = "/".join(parts[:count])
        mode = 0
        for layer in reversed(layers):
            try:
                mode = os.lstat(f"{layer}/{inside}").st_mode
                break
            except OSError:
                continue
        if ".." in parts or not (stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and count == len(parts))):
            raise InvalidInput(
                text("image `{image}`: no folder or file `{path}` to mount", image=point.source, path=point.subpath)
            )
    return stat.S_ISDIR(mode)


def _device_edits(engine: Engine, container: Container) -> Edits | None:
    if not container.gpus and not any("=" in word for word in container.devices):
        return None
    from teul.engine.containers.devices import edits_of, names_devices

    return edits_of(engine, container) if names_devices(container) else None


def _device_rules(container: Container) -> tuple[DeviceRule, ...]:
    if not container.device_rules:
        return ()
    from teul.runtime.security import parse_device_rule

    return tuple(parse_device_rule(word) for word in container.device_rules)


def _set_memory_modes(container: Container, process: int) -> None:
    """Give each tmpfs the mode that it was asked for: runc before 1.1.6 gives it that of the folder that it covers.

    Nothing of the container has run yet, so its first process has the mounts as they were described.
    """
    for point in container.mounts:
        if point.kind != "tmpfs" or point.readonly:
            continue
        mode = mode_of(point.options, -1)
        if mode == -1:
            continue
        descriptor = open_in_root(f"/proc/{process}/root", point.target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if os.fstat(descriptor).st_mode & 0o7777 != mode:
                os.chmod(descriptor, mode)
        finally:
            os.close(descriptor)


def _check_rootfs(container: Container, rootfs: str) -> None:
    """Refuse an image whose `/dev`, `/proc` or `/sys` is a link: a runtime would follow it out of the container.

    runc 1.1 makes `/dev/fd` and its likes before it changes the root, by a path that it does not check.
    """
    import stat

    for path in ("/dev", "/proc", "/sys"):
        try:
            mode = os.lstat(f"{rootfs}{path}").st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(mode):
            raise InvalidInput(text("image `{image}`: `{path}` is no folder", image=container.image_name, path=path))


def _security(container: Container) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    if not container.security_options:
        default = Sandbox(process=Process(args=()), rootfs="")
        return default.seccomp, default.masked_paths, default.readonly_paths
    from teul.runtime.security import parse_security

    found = parse_security(container.security_options)
    return found.seccomp, found.masked_paths, found.readonly_paths


def _shared(engine: Engine, kind: str, value: str) -> str:
    """A namespace as the sandbox takes it: "private", "host", or the path of another container's."""
    if value in ("", "shareable"):
        return "private"
    if not value.startswith("container:"):
        return value
    other = true(engine, get(engine, value.removeprefix("container:")))
    if other.status != RUNNING:
        raise ContainerNotRunning(other.name)
    return f"/proc/{other.pid}/ns/{kind}"


def name_servers(engine: Engine, container: Container) -> list[str]:
    """The DNS servers of the container's networks: the gateways of those that have one."""
    from teul.engine import networks

    found = [networks.get(engine, place.network) for place in container.places]
    return [network.gateway for network in found if network.dns]


def _host_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


__all__ = ["ATTENDED", "HostLacks", "Started", "exit_command", "start"]
