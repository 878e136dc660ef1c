"""`create`: from options and an image to a row and a writable snapshot. Nothing runs yet."""

from __future__ import annotations

import os
import time

from teul.containers import check_name, new_id, random_name, signal_number
from teul.engine.containers.lookup import folder_of, get
from teul.engine.containers.placing import find_places
from teul.engine.containers.record import Container
from teul.engine.event_log import emit_container
from teul.errors import Conflict, Denied, HostLacks, InvalidInput, NameInUse, OptionUnsupported, PlatformMismatch, text
from teul.events import Warn, silent
from teul.host.fs import crash_point, remove_tree
from teul.host.launch import deferred_interrupts
from teul.host.platform import can_run, host_platform
from teul.state import containers as rows
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from teul.engine import Engine
    from teul.engine.containers.options import ContainerOptions
    from teul.errors import Text
    from teul.events import Sink
    from teul.images import Image
    from teul.network.ports import PortMapping
    from teul.oci.image import ExecutionConfig
    from teul.runtime.spec import Limits
    from teul.volumes import MountPoint

MEMORY_MINIMUM_BYTES = 6 << 20
INIT_PROGRAMS = ("docker-init", "tini-static", "tini", "catatonit", "dumb-init")


def create(engine: Engine, options: ContainerOptions, *, events: Sink = silent) -> Container:
    """Make a container; it is `created` and takes no resources but a row, a snapshot and its volumes.

    Raises:
        ImageNotFound, NameInUse, InvalidInput, OptionUnsupported; nothing is left behind.
    """
    if os.geteuid() != 0:
        # The file systems of a container are mounted by the kernel for root alone; user namespaces are yet to come.
        raise Denied(text("containers are run as root, so far"), hint="sudo -s")
    image = _image(engine, options, events)
    container = plan(engine, options, image, events=events)
    layers = engine.images.layers(image)
    is_named = bool(options.name)
    container = _with_volumes(engine, container)
    crash_point("container-volumes-made")
    while True:
        made = False
        try:
            # One transaction for the row and the snapshot's row: one flush to the disk, and gc sees both or neither.
            with deferred_interrupts(), engine.db:
                owner = rows.insert(engine.db, container.to_row())
                if not owner:
                    os.makedirs(folder_of(engine, container.id), mode=0o700)
                    engine.snapshots.prepare(container.id, layers)
                    made = True
        except KeyboardInterrupt:
            if made:
                from teul.engine.containers.removal import remove

                remove(engine, container.id, force=True, with_volumes=True)
            raise
        except Exception:
            # A full disk, say: the row is not there, and gc finds the snapshot.
            remove_tree(folder_of(engine, container.id))
            raise
        if made:
            emit_container(engine, container, "create")
            return container
        if is_named:
            raise NameInUse("container", container.name, owner=owner[:12])
        container = _renamed(container)


def plan(engine: Engine, options: ContainerOptions, image: Image, *, events: Sink = silent) -> Container:
    """The container that *options* and *image* come to; makes nothing.

    Raises:
        InvalidInput, OptionUnsupported, Conflict, ContainerNotFound (of `container:NAME`).
    """
    config = image.config.config
    entrypoint, command = _command(options, config)
    env = merge_environment(config.env, options.env)
    mode, places = find_places(engine, options)
    publish = _published(options, config, mode, events)
    exposed = _exposed(options, config, publish)
    limits = _checked_limits(options, events)
    if options.init and find_init() == "":
        raise HostLacks(text("an init program"), hint=text("apt-get install {package}", package="tini"))
    stop_signal = options.stop_signal or config.stop_signal
    if stop_signal:
        signal_number(stop_signal)
    working_dir = options.working_dir or config.working_dir or "/"
    if not working_dir.startswith("/"):
        raise InvalidInput(
            text("the working directory '{path}' is invalid, it needs to be an absolute path", path=working_dir)
        )
    if options.stop_timeout_s is not None and options.stop_timeout_s < -1:
        raise InvalidInput(text("invalid stop timeout: {value}", value=options.stop_timeout_s))
    container_id = new_id()
    mounts = _mount_points(engine, options, config)
    if options.hostname and (mode == "host" or mode.startswith("container:")) and mode != "host":
        raise Conflict(text("conflicting options: hostname and the network mode"))
    made = Container(
        id=container_id,
        name=check_name(options.name) if options.name else random_name(),
        image=image.id,
        image_name=options.image,
        created_at=time.time(),
        entrypoint=entrypoint,
        command=command,
        env=env,
        working_dir=os.path.normpath(working_dir),
        user=options.user or config.user,
        group_add=options.group_add,
        hostname=options.hostname or (os.uname().nodename if mode == "host" else container_id[:12]),
        domainname=options.domainname,
        interactive=options.interactive,
        tty=options.tty,
        labels={**config.labels, **options.labels},
        exposed_ports=exposed,
        stop_signal=stop_signal,
        stop_timeout_s=options.stop_timeout_s,
        remove=options.remove,
        run_by=f"{os.getpid()}/{process_start(os.getpid())}" if options.remove and options.starts else "",
        init=options.init,
        keep_log=options.keep_log,
        **_supervised(options, config),
        add_trust=options.add_trust,
        mounts=mounts,
        network_mode=mode,
        places=places,
        publish=publish,
        extra_hosts=options.extra_hosts,
        dns=options.dns,
        dns_search=options.dns_search,
        dns_options=options.dns_options,
        limits=limits,
        shm_size_bytes=options.shm_size_bytes,
        ulimits=options.ulimits,
        readonly=options.readonly,
        privileged=options.privileged,
        cap_add=options.cap_add,
        cap_drop=options.cap_drop,
        security_options=options.security_options,
        devices=options.devices,
        sysctls=options.sysctls,
        ipc=_namespace(engine, "ipc", options.ipc, ("private", "shareable", "none")),
        pid_mode=_namespace(engine, "pid", options.pid, ()),
        uts=_namespace(engine, "uts", options.uts, ()),
        cgroupns=_cgroup_namespace(options),
        cgroup_parent=_cgroup_parent(options.cgroup_parent),
        userns=_user_namespace(options.userns),
        caller=_caller(engine, mounts) if options.userns == "keep-id" else (),
        device_rules=options.device_rules,
        gpus=options.gpus + _wished_gpus(engine, options, env),
        oom_score_adj=options.oom_score_adj,
        annotations=options.annotations,
    )
    _check_security(made)
    return made


def _supervised(options: ContainerOptions, config: ExecutionConfig) -> dict[str, Any]:
    """What the options say about restarts, health and the log; nothing is imported for what most containers have not."""
    made: dict[str, Any] = {}
    if options.restart not in ("", "no"):
        from teul.engine.supervision import policy

        made["restart"] = policy.parse(options.restart)
        if options.remove:
            raise InvalidInput(text("Conflicting options: --restart and --rm"))
    if options.health or config.healthcheck:
        from teul.engine.supervision.health import merged

        made["healthcheck"] = merged(config.healthcheck, options.health)
    if options.log_driver or options.log_options:
        from teul.engine.supervision.rotation import check_options

        made["log_driver"], made["log_options"] = check_options(options.log_driver, options.log_options)
    if not options.keep_log:
        made["log_driver"] = "none"
    return made


def merge_environment(base: Sequence[str], added: Sequence[str]) -> tuple[str, ...]:
    """*base* with *added*: a variable keeps its place and takes the new value; a name alone takes it away."""
    made: dict[str, str] = {}
    for entry in (*base, *added):
        name, equals, value = entry.partition("=")
        if equals:
            made[name] = value
        else:
            made.pop(name, None)
    return tuple(f"{name}={value}" for name, value in made.items())


def _image(engine: Engine, options: ContainerOptions, events: Sink) -> Image:
    found = engine.images.find(options.image) if options.pull == "missing" and not options.platform else None
    if found is None:
        from teul.engine.images import ensure

        found = ensure(engine, options.image, platform=options.platform, pull=options.pull, events=events)
    platform = found.config.platform
    if not can_run(platform):
        raise PlatformMismatch(options.image, str(host_platform()), str(platform))
    return found


def _command(options: ContainerOptions, config: ExecutionConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if options.entrypoint is not None:
        # Docker: another entrypoint takes the image's command away with the image's entrypoint.
        entrypoint = tuple(word for word in options.entrypoint if word or len(options.entrypoint) > 1)
        command = options.command or ()
    else:
        entrypoint = config.entrypoint or ()
        command = options.command or config.command or ()
    if not entrypoint and not command:
        raise InvalidInput(text("no command specified"))
    return entrypoint, command


def _published(options: ContainerOptions, config: ExecutionConfig, mode: str, events: Sink) -> tuple[PortMapping, ...]:
    if not options.publish and not options.publish_all:
        return ()
    from teul.network.ports import PortMapping, parse_exposed, parse_publish

    made = [mapping for word in options.publish for mapping in parse_publish(word)]
    if options.publish_all:
        taken = {mapping.key for mapping in made}
        for word in (*config.exposed_ports, *options.expose):
            for key in parse_exposed(word):
                if key not in taken:
                    port, _, protocol = key.partition("/")
                    made.append(PortMapping(int(port), 0, "", protocol))
    if mode.startswith("container:"):
        raise Conflict(text("conflicting options: port publishing and the container type network mode"))
    if mode in ("host", "none"):
        events(
            Warn("create", "ports-discarded", text("published ports are discarded with network mode {mode}", mode=mode))
        )
        return ()
    return tuple(dict.fromkeys(made))


def _exposed(options: ContainerOptions, config: ExecutionConfig, publish: Sequence[PortMapping]) -> tuple[str, ...]:
    made = dict.fromkeys(mapping.key for mapping in publish)
    if config.exposed_ports or options.expose:
        from teul.network.ports import parse_exposed

        for word in (*config.exposed_ports, *options.expose):
            made |= dict.fromkeys(parse_exposed(word))
    return tuple(sorted(made))


def _mount_points(engine: Engine, options: ContainerOptions, config: ExecutionConfig) -> tuple[MountPoint, ...]:
    if not (options.volumes or options.mounts or options.tmpfs or options.volumes_from or config.volumes):
        return ()
    from teul.volumes import MountPoint, parse_mount, parse_tmpfs, parse_volume

    given = [
        *(parse_volume(word) for word in options.volumes),
        *(parse_mount(word) for word in options.mounts),
        *(parse_tmpfs(word) for word in options.tmpfs),
    ]
    made: dict[str, MountPoint] = {}
    for mount in given:
        if mount.target in made:
            raise InvalidInput(text("Duplicate mount point: {target}", target=mount.target))
        if mount.kind == "image":
            mount = _image_mount(engine, mount)
        made[mount.target] = mount
    for mount in _inherited(engine, options.volumes_from):
        made.setdefault(mount.target, mount)
    for target in config.volumes:
        path = os.path.normpath("/" + target.lstrip("/"))
        if path == "/":
            raise InvalidInput(text("invalid volume specification: '{value}': destination can't be '/'", value=target))
        made.setdefault(path, MountPoint(kind="volume", target=path, anonymous=True))
    return tuple(made.values())


def _image_mount(engine: Engine, mount: MountPoint) -> MountPoint:
    from teul.engine.images import ensure
    from teul.values import replace

    image = ensure(engine, mount.source)
    made: MountPoint = replace(mount, name=image.id)
    return made


def _inherited(engine: Engine, words: Sequence[str]) -> list[MountPoint]:
    """The volumes and binds of the containers that `--volumes-from` names.

    Raises:
        ContainerNotFound. InvalidInput: with Docker's words.
    """
    from teul.values import replace

    made: list[MountPoint] = []
    for word in words:
        name, _, mode = word.partition(":")
        readonly = None
        for option in mode.split(",") if mode else ():
            if option not in ("ro", "rw", "z", "Z"):
                raise InvalidInput(text("invalid mode: {mode}", mode=mode))
            if option in ("ro", "rw"):
                readonly = option == "ro"
        for mount in get(engine, name).mounts:
            if mount.kind in ("bind", "volume"):
                changed: MountPoint = replace(mount, readonly=mount.readonly if readonly is None else readonly)
                made.append(changed)
    return made


def _with_volumes(engine: Engine, container: Container) -> Container:
    """The container with its volumes made and its mounts pointing at them."""
    if not any(mount.kind == "volume" for mount in container.mounts):
        return container
    from teul.engine import volumes
    from teul.values import replace

    made = []
    for mount in container.mounts:
        if mount.kind == "volume":
            volume = volumes.create(
                engine, mount.name, labels=_pairs(mount.volume_labels), options=_pairs(mount.volume_options)
            )
            mount = replace(mount, name=volume.name, source=volume.mountpoint)
        made.append(mount)
    changed: Container = replace(container, mounts=tuple(made))
    return changed


def _pairs(words: Sequence[str]) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in words)


def _renamed(container: Container) -> Container:
    from teul.values import replace

    changed: Container = replace(container, name=random_name())
    return changed


def _namespace(engine: Engine, kind: str, value: str, same: tuple[str, ...]) -> str:
    if value == "shareable" and value in same:
        # Others may join it; for the container itself it is as private as any.
        return value
    if value in ("", *same):
        return ""
    if value.startswith("container:"):
        return f"container:{get(engine, value.removeprefix('container:')).id}"
    if value != "host":
        raise InvalidInput(text("invalid {kind} mode: {value}", kind=kind, value=value))
    return value


def _cgroup_namespace(options: ContainerOptions) -> str:
    if options.cgroupns not in ("", "host", "private"):
        raise InvalidInput(text("invalid {kind} mode: {value}", kind="cgroup", value=options.cgroupns))
    if options.cgroupns or not options.privileged:
        return options.cgroupns
    from teul.runtime.spec import Host

    return "host" if Host.here(with_limits=False).cgroup_version == 1 else ""


def _cgroup_parent(value: str) -> str:
    """The cgroup below which the container's is made: an absolute path, as where no systemd manages cgroups."""
    if not value:
        return ""
    if value.endswith(".slice"):
        raise OptionUnsupported(f"--cgroup-parent {value}", hint=text("give a path, such as /batch"))
    if ".." in value.split("/"):
        raise InvalidInput(text("invalid {kind} mode: {value}", kind="cgroup-parent", value=value))
    return "/" + value.strip("/")


def _user_namespace(value: str) -> str:
    if value not in ("", "host", "keep-id"):
        raise InvalidInput(text("invalid {kind} mode: {value}", kind="USER", value=value))
    return value


def _caller(engine: Engine, mounts: Sequence[MountPoint]) -> tuple[int, int]:
    """Who calls: behind `sudo`, the user who said it; else, for root, the owner of the first folder that is bound."""
    environ = engine.settings.environ or {}
    words = (environ.get("SUDO_UID", ""), environ.get("SUDO_GID", ""))
    if all(word.isascii() and word.isdigit() for word in words):
        return int(words[0]), int(words[1])
    for mount in mounts:
        if mount.kind == "bind" and os.path.exists(mount.source):
            status = os.stat(mount.source)
            return status.st_uid, status.st_gid
    return os.getuid(), os.getgid()


def _wished_gpus(engine: Engine, options: ContainerOptions, env: Sequence[str]) -> tuple[str, ...]:
    """The cards that `--runtime nvidia` gives by the image's variables; checks the name of any other runtime.

    Raises:
        InvalidInput: with Docker's words. OptionUnsupported: a runtime that is there, and not the one that runs here.
    """
    if options.runtime == "nvidia":
        visible = dict(entry.partition("=")[::2] for entry in env).get("NVIDIA_VISIBLE_DEVICES", "")
        if visible in ("", "void", "none"):
            return ()
        return ("all",) if visible == "all" else (f'"device={visible}"',)
    if options.runtime and options.runtime not in (engine.driver.name, engine.driver.path, "io.containerd.runc.v2"):
        from teul.runtime.driver import CANDIDATES

        if options.runtime in CANDIDATES:
            refused = next((item.reason for item in engine.driver.refused if item.name == options.runtime), "")
            hint = refused or text("TEUL_RUNTIME={name} makes it the one for all containers", name=options.runtime)
            raise OptionUnsupported(f"--runtime {options.runtime}", hint=hint)
        raise InvalidInput(text("unknown or invalid runtime name: {name}", name=options.runtime))
    return ()


def _checked_limits(options: ContainerOptions, events: Sink) -> Limits:
    """The limits, without those that this kernel cannot keep (which is said, as Docker says it).

    Raises:
        InvalidInput: with Docker's words.
    """
    limits = options.limits
    score = options.oom_score_adj
    if score is not None and not -1000 <= score <= 1000:
        raise InvalidInput(text("Invalid value {value}, range for oom score adj is [-1000, 1000]", value=score))
    if not limits:
        return limits
    check_limits(limits)
    return _kept(limits, events)


def _kept(limits: Limits, events: Sink) -> Limits:
    if not (limits.io_weight or limits.swappiness >= 0 or limits.oom_kill_disable or limits.devices_io):
        return limits
    from teul.runtime.spec import Host
    from teul.values import replace

    changes: dict[str, object] = {}
    version = Host.here(with_limits=False).cgroup_version
    blkio = "/sys/fs/cgroup/blkio"
    if limits.io_weight and version == 1 and not os.path.exists(f"{blkio}/blkio.weight"):
        if os.path.exists(f"{blkio}/blkio.bfq.weight"):
            pass
        else:
            _discarded(
                events,
                text("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded"),
            )
            changes["io_weight"] = 0
    if version == 2 and limits.swappiness >= 0:
        _discarded(
            events,
            text(
                "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory "
                "swappiness discarded"
            ),
        )
        changes["swappiness"] = -1
    if version == 2 and limits.oom_kill_disable:
        _discarded(events, text("Your kernel does not support OomKillDisable. OomKillDisable discarded"))
        changes["oom_kill_disable"] = False
    made: Limits = replace(limits, **changes)
    return made


def _discarded(events: Sink, message: Text) -> None:
    events(Warn("create", "limit-discarded", message))


def check_limits(limits: Limits) -> None:
    """Raises: InvalidInput, with Docker's words, for limits that no container can have."""
    if limits.memory_bytes and limits.memory_bytes < MEMORY_MINIMUM_BYTES:
        raise InvalidInput(text("Minimum memory limit allowed is 6MB"))
    if limits.memory_swap_bytes > 0 and not limits.memory_bytes:
        raise InvalidInput(text("You should always set the Memory limit when using Memoryswap limit, see usage"))
    if limits.memory_bytes and limits.memory_reservation_bytes > limits.memory_bytes:
        raise InvalidInput(text("Minimum memory limit can not be less than memory reservation limit, see usage"))
    if limits.io_weight and not 10 <= limits.io_weight <= 1000:
        raise InvalidInput(text("Range of blkio weight is from 10 to 1000"))
    if limits.cpus and limits.cpu_period_us:
        raise InvalidInput(text("Conflicting options: Nano CPUs and CPU Period cannot both be set"))
    if limits.cpus and limits.cpu_quota_us:
        raise InvalidInput(text("Conflicting options: Nano CPUs and CPU Quota cannot both be set"))
    if limits.cpu_period_us and not 1000 <= limits.cpu_period_us <= 1000000:
        raise InvalidInput(text("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"))
    if 0 < limits.cpu_quota_us < 1000:
        raise InvalidInput(text("CPU cfs quota can not be less than 1ms (i.e. 1000)"))
    if limits.memory_swap_bytes > 0 and limits.memory_swap_bytes < limits.memory_bytes:
        raise InvalidInput(text("Minimum memoryswap limit should be larger than memory limit, see usage"))
    count = os.cpu_count() or 1
    if limits.cpus and not 0.01 <= limits.cpus <= count:
        raise InvalidInput(
            text("range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available", count=count)
        )


def _check_security(container: Container) -> None:
    """Find out now, not at the start, what cannot be."""
    if container.gpus:
        from teul.gpu import requests

        for word in container.gpus:
            requests.parse(word)
    if not (
        container.cap_add
        or container.cap_drop
        or container.security_options
        or container.devices
        or container.device_rules
    ):
        return
    from teul.runtime import security

    security.capabilities(container.cap_add, container.cap_drop)
    security.parse_security(container.security_options)
    for word in security.paths(container.devices):
        security.parse_device(word)
    for word in container.device_rules:
        security.parse_device_rule(word)


def find_init() -> str:
    """The host's init program for containers, or ""."""
    for folder in ("/usr/libexec/docker", "/usr/libexec/podman", "/usr/local/bin", "/usr/bin", "/sbin"):
        for name in INIT_PROGRAMS:
            if os.access(f"{folder}/{name}", os.X_OK):
                return f"{folder}/{name}"
    return ""
