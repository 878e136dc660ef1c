"""`inspect`: a container in the shape that Docker's tools read. No field is made up: what teul does not do is not there.

Source: Docker Engine API, `GET /containers/{id}/json`.
"""

from __future__ import annotations

from teul.containers import RESTARTING, RUNNING, rfc3339
from teul.engine.containers.lookup import bundle_of, get

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.network.netavark import Endpoint
    from teul.network.ports import PortMapping
    from teul.volumes import MountPoint


def inspect(engine: Engine, container: str) -> dict[str, Any]:
    """Everything about a container.

    Raises:
        ContainerNotFound.
    """
    return describe(engine, get(engine, container))


def describe(engine: Engine, container: Container) -> dict[str, Any]:
    """As `inspect`, of a container that is known."""
    bundle = bundle_of(engine, container.id)
    args = container.args
    return {
        "Id": container.id,
        "Created": rfc3339(container.created_at),
        "Path": args[0] if args else "",
        "Args": list(args[1:]),
        "State": _state(container, bundle),
        "Image": container.image,
        "ResolvConfPath": f"{bundle}/resolv.conf",
        "HostnamePath": f"{bundle}/hostname",
        "HostsPath": f"{bundle}/hosts",
        # What the monitor writes is not Docker's JSON: who reads the file itself is told that there is none.
        "LogPath": "",
        "Name": f"/{container.name}",
        "RestartCount": container.restart_count,
        "Driver": engine.snapshots.kind,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "HostConfig": _host_config(container),
        "GraphDriver": {"Name": engine.snapshots.kind, "Data": _graph(engine, container)},
        "Mounts": [_mount(point) for point in container.mounts],
        "Config": _config(container),
        "NetworkSettings": _network_settings(container),
    }


def _state(container: Container, bundle: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Status": "paused" if container.paused else container.status,
        "Running": container.status in (RUNNING, RESTARTING),
        "Paused": container.paused,
        "Restarting": container.status == RESTARTING,
        "OOMKilled": container.oom_killed,
        "Dead": container.status == "dead",
        "Pid": container.pid,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": rfc3339(container.started_at),
        "FinishedAt": rfc3339(container.finished_at),
    }
    if container.healthcheck and container.healthcheck["Test"][0] != "NONE":
        from teul.engine.supervision import health

        made["Health"] = health.load(bundle).to_json()
    return made


def _config(container: Container) -> dict[str, Any]:
    return {
        "Hostname": container.hostname,
        "Domainname": container.domainname,
        "User": container.user,
        "AttachStdin": container.interactive,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {key: {} for key in container.exposed_ports},
        "Tty": container.tty,
        "OpenStdin": container.interactive,
        "StdinOnce": container.interactive,
        "Env": list(container.env),
        "Cmd": list(container.command) or None,
        "Image": container.image_name,
        "Volumes": {point.target: {} for point in container.mounts if point.anonymous} or None,
        "WorkingDir": container.working_dir,
        "Entrypoint": list(container.entrypoint) or None,
        "OnBuild": None,
        "Labels": dict(container.labels),
        **({"Healthcheck": dict(container.healthcheck)} if container.healthcheck else {}),
        **({"StopSignal": container.stop_signal} if container.stop_signal else {}),
        **({"StopTimeout": container.stop_timeout_s} if container.stop_timeout_s is not None else {}),
    }


def _host_config(container: Container) -> dict[str, Any]:
    limits = container.limits
    return {
        "Binds": [_bind_word(point) for point in container.mounts if point.kind != "tmpfs" and not point.anonymous]
        or None,
        "ContainerIDFile": "",
        "LogConfig": {"Type": container.log_driver, "Config": dict(container.log_options)},
        "NetworkMode": container.network_mode,
        "PortBindings": _bindings(container.publish, is_request=True),
        "RestartPolicy": _restart_policy(container.restart),
        "AutoRemove": container.remove,
        "CapAdd": list(container.cap_add) or None,
        "CapDrop": list(container.cap_drop) or None,
        "CgroupnsMode": container.cgroupns,
        "Dns": list(container.dns),
        "DnsOptions": list(container.dns_options),
        "DnsSearch": list(container.dns_search),
        "ExtraHosts": list(container.extra_hosts) or None,
        "GroupAdd": list(container.group_add) or None,
        "IpcMode": container.ipc or "private",
        "OomScoreAdj": container.oom_score_adj or 0,
        "PidMode": container.pid_mode,
        "Privileged": container.privileged,
        "PublishAllPorts": False,
        "ReadonlyRootfs": container.readonly,
        "SecurityOpt": list(container.security_options) or None,
        "Tmpfs": {point.target: ",".join(point.options) for point in container.mounts if point.kind == "tmpfs"},
        "UTSMode": container.uts,
        "UsernsMode": container.userns,
        "CgroupParent": container.cgroup_parent,
        "ShmSize": container.shm_size_bytes,
        "Sysctls": dict(container.sysctls),
        "Init": container.init,
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_swap_bytes,
        "MemoryReservation": limits.memory_reservation_bytes,
        "NanoCpus": int(limits.cpus * 1e9),
        "CpuShares": limits.cpu_shares,
        "CpusetCpus": limits.cpuset,
        "CpusetMems": limits.cpuset_memory,
        "PidsLimit": limits.pids or None,
        "CpuPeriod": limits.cpu_period_us,
        "CpuQuota": limits.cpu_quota_us,
        "CpuRealtimePeriod": limits.cpu_rt_period_us,
        "CpuRealtimeRuntime": limits.cpu_rt_runtime_us,
        "MemorySwappiness": limits.swappiness if limits.swappiness >= 0 else None,
        "OomKillDisable": limits.oom_kill_disable,
        "BlkioWeight": limits.io_weight,
        **_io_limits(container),
        "Devices": [_device(word) for word in container.devices if word.startswith("/")],
        "DeviceCgroupRules": list(container.device_rules) or None,
        "DeviceRequests": _device_requests(container),
        "Runtime": "runc",
        "Ulimits": [{"Name": item.name, "Soft": item.soft, "Hard": item.hard} for item in container.ulimits],
        "Annotations": dict(container.annotations),
    }


def _io_limits(container: Container) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for what, name in (
        ("weight", "BlkioWeightDevice"),
        ("read-bps", "BlkioDeviceReadBps"),
        ("write-bps", "BlkioDeviceWriteBps"),
        ("read-iops", "BlkioDeviceReadIOps"),
        ("write-iops", "BlkioDeviceWriteIOps"),
    ):
        field = "Weight" if what == "weight" else "Rate"
        found = [{"Path": path, field: value} for kind, path, value in container.limits.devices_io if kind == what]
        made[name] = found or None
    return made


def _device(word: str) -> dict[str, str]:
    parts = word.split(":")
    access = parts.pop() if len(parts) > 1 and not parts[-1].startswith("/") else "rwm"
    return {"PathOnHost": parts[0], "PathInContainer": parts[-1], "CgroupPermissions": access}


def _device_requests(container: Container) -> list[dict[str, Any]] | None:
    if not container.gpus and not any(not word.startswith("/") for word in container.devices):
        return None
    from teul.gpu import requests

    made = []
    for word in container.gpus:
        item = requests.parse(word)
        made.append(
            {
                "Driver": item.driver,
                "Count": item.count,
                "DeviceIDs": list(item.ids) or None,
                "Capabilities": [["gpu", *item.capabilities]],
                "Options": {},
            }
        )
    named = [word for word in container.devices if not word.startswith("/")]
    if named:
        made.append({"Driver": "cdi", "Count": 0, "DeviceIDs": named, "Capabilities": None, "Options": None})
    return made


def _restart_policy(restart: str) -> dict[str, Any]:
    name, _, tries = restart.partition(":")
    return {"Name": name or "no", "MaximumRetryCount": int(tries or 0)}


def _network_settings(container: Container) -> dict[str, Any]:
    places: dict[str, dict[str, Any]] = {place.network: _place(container, place) for place in container.places}
    if not places and container.network_mode in ("host", "none"):
        empty = {"NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "MacAddress": ""}
        places = {container.network_mode: empty}
    # Docker's older fields, which speak of the default network only, are what half of the scripts read.
    first = places.get("bridge", {})
    ports: dict[str, Any] = dict.fromkeys(container.exposed_ports)
    ports |= _bindings(container.ports, is_request=False)
    return {
        "SandboxID": container.id if container.pid else "",
        "SandboxKey": f"/proc/{container.pid}/ns/net" if container.pid else "",
        "Ports": ports if container.status == RUNNING else {},
        "EndpointID": first.get("EndpointID", ""),
        "Gateway": first.get("Gateway", ""),
        "GlobalIPv6Address": first.get("GlobalIPv6Address", ""),
        "GlobalIPv6PrefixLen": first.get("GlobalIPv6PrefixLen", 0),
        "IPv6Gateway": first.get("IPv6Gateway", ""),
        "IPAddress": first.get("IPAddress", ""),
        "IPPrefixLen": first.get("IPPrefixLen", 0),
        "MacAddress": first.get("MacAddress", ""),
        "Networks": places,
    }


def _place(container: Container, place: Endpoint) -> dict[str, Any]:
    """A container's place on a network as Docker's `EndpointSettings`; what holds only while it runs is empty then."""
    from teul.engine.inspection import endpoint_id

    is_there = bool(place.address)
    wishes = {"IPv4Address": place.requested_address, "IPv6Address": place.requested_address6}
    return {
        "IPAMConfig": {name: word for name, word in wishes.items() if word} or None,
        "Links": None,
        "Aliases": list(place.aliases) or None,
        "MacAddress": place.mac,
        "NetworkID": place.network_id,
        "EndpointID": endpoint_id(place.network_id, container.id) if is_there else "",
        "Gateway": place.gateway if is_there else "",
        "IPAddress": place.address,
        "IPPrefixLen": place.prefix if is_there else 0,
        "IPv6Gateway": place.gateway6 if is_there else "",
        "GlobalIPv6Address": place.address6,
        "GlobalIPv6PrefixLen": place.prefix6 if place.address6 else 0,
        "DriverOpts": None,
        "DNSNames": [container.name, *place.aliases, container.short_id],
    }


def _bindings(mappings: Iterable[PortMapping], *, is_request: bool) -> dict[str, Any]:
    made: dict[str, list[dict[str, str]]] = {}
    for mapping in mappings:
        host_ip = mapping.host_ip if is_request else mapping.host_ip or "0.0.0.0"
        port = str(mapping.host_port) if mapping.host_port or not is_request else ""
        made.setdefault(mapping.key, []).append({"HostIp": host_ip, "HostPort": port})
    return made


def _mount(point: MountPoint) -> dict[str, Any]:
    made: dict[str, Any] = {"Type": point.kind}
    if point.kind == "volume":
        made["Name"] = point.name
    made["Source"] = point.source
    made["Destination"] = point.target
    if point.kind == "volume":
        made["Driver"] = "local"
    made["Mode"] = "ro" if point.readonly else ""
    made["RW"] = not point.readonly
    propagation = [option for option in point.options if option.endswith(("private", "slave", "shared"))]
    made["Propagation"] = (propagation or ["rprivate" if point.kind == "bind" else ""])[0]
    return made


def _bind_word(point: MountPoint) -> str:
    source = point.name if point.kind == "volume" else point.source
    return f"{source}:{point.target}" + (":ro" if point.readonly else "")


def _graph(engine: Engine, container: Container) -> dict[str, str] | None:
    from teul.errors import NotFound

    try:
        return {"UpperDir": engine.snapshots.upper(container.id)} if engine.snapshots.kind == "overlay" else None
    except NotFound:
        return None
