"""`Container`: everything that is remembered of one. Must not look at the machine; `lookup` does."""

from __future__ import annotations

from teul.containers import CREATED, RUNNING, SHORT_ID_LENGTH
from teul.plain_json import dumps, loads
from teul.runtime.spec import Limits, Rlimit
from teul.values import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass, field
    from typing import Any

    from teul.network.netavark import Endpoint
    from teul.network.ports import PortMapping
    from teul.state.containers import Row
    from teul.volumes import MountPoint
else:
    from teul.values import dataclass, field

_COLUMNS = ("id", "name", "image", "status", "created_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container. Times are seconds since 1970, 0 is "never"; `status` is one of `teul.containers.STATUSES`.

    `places` are where it is on bridge networks; `network_mode` is "bridge", "none", "host", "container:<id>" or the name
    of the first network. `publish` is what was asked for, `ports` what holds while it runs.

    `restart` is its policy: "" (no), "always", "unless-stopped", "on-failure" or "on-failure:<tries>"; `stopped` says that
    a user ended it, which a policy respects. While `status` is "restarting", `restart_at` is when it is started again.
    `healthcheck` is Docker's object (`teul.oci.image.Healthcheck`), empty for none.
    """

    id: str
    name: str
    image: str
    image_name: str
    status: str = CREATED
    created_at: float = 0.0

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    group_add: tuple[str, ...] = ()
    hostname: str = ""
    domainname: str = ""
    interactive: bool = False
    tty: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    stop_signal: str = ""
    stop_timeout_s: int | None = None
    remove: bool = False
    run_by: str = ""
    """With `remove`: the process (pid/start) that made it in order to start it; "" when that is left to the user."""
    init: bool = False
    keep_log: bool = True
    log_driver: str = "json-file"
    log_options: Mapping[str, str] = field(default_factory=dict)
    healthcheck: Mapping[str, Any] = field(default_factory=dict)
    restart: str = ""
    add_trust: bool = True

    mounts: tuple[MountPoint, ...] = ()
    network_mode: str = "bridge"
    places: tuple[Endpoint, ...] = ()
    publish: tuple[PortMapping, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()

    limits: Limits = Limits()
    shm_size_bytes: int = 0
    ulimits: tuple[Rlimit, ...] = ()
    readonly: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_options: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ipc: str = ""
    pid_mode: str = ""
    uts: str = ""
    cgroupns: str = ""
    cgroup_parent: str = ""
    userns: str = ""
    caller: tuple[int, ...] = ()
    """With `userns` "keep-id": uid and gid of who owns, on the disk, what the container's user writes into binds."""
    device_rules: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    oom_score_adj: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    paused: bool = False
    pid: int = 0
    process_start: str = ""
    monitor_pid: int = 0
    monitor_start: str = ""
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: float = 0.0
    finished_at: float = 0.0
    stopped: bool = False
    restart_count: int = 0
    restart_delay_s: float = 0.0
    restart_at: float = 0.0

    @property
    def short_id(self) -> str:
        return self.id[:SHORT_ID_LENGTH]

    @property
    def args(self) -> tuple[str, ...]:
        """The whole command line."""
        return (*self.entrypoint, *self.command)

    @property
    def is_running(self) -> bool:
        return self.status == RUNNING

    @property
    def networks(self) -> dict[str, Endpoint]:
        """Network name → its place there (`ip` and `gateway` while it runs)."""
        return {place.network: place for place in self.places}

    @property
    def addresses(self) -> dict[str, str]:
        """Network name → address, while it runs."""
        return {place.network: place.address for place in self.places if place.address}

    @classmethod
    def from_row(cls, row: Row) -> Container:
        value: dict[str, Any] = loads(row[4])
        for name in _NESTED:
            if name in value:
                kind = _kind(name)
                value[name] = tuple(kind.from_json(item) for item in value[name])
        if "limits" in value:
            value["limits"] = Limits.from_json(value["limits"])
        if "ulimits" in value:
            value["ulimits"] = tuple(Rlimit(**item) for item in value["ulimits"])
        for name in _WORDS:
            if name in value:
                value[name] = tuple(value[name])
        return cls(id=row[0], name=row[1], image=row[2], status=row[3], created_at=row[5], **value)

    def to_row(self) -> Row:
        return (self.id, self.name, self.image, self.status, self.data(), self.created_at)

    def data(self) -> str:
        """What has no column, as JSON; what is as by default is left out."""
        made = {
            name: _plain(value)
            for name in fields(self)
            if name not in _COLUMNS and (value := getattr(self, name)) != _DEFAULTS.get(name, self)
        }
        return dumps(made, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if hasattr(type(value), "__value_fields__"):
        return {name: _plain(getattr(value, name)) for name in fields(value)}
    return dict(value) if hasattr(value, "keys") else value  # type: ignore[call-overload]


def _kind(name: str) -> Any:
    """The class of what a field holds; imported when there is such a thing, for most containers have none."""
    if name == "mounts":
        from teul.volumes import MountPoint

        return MountPoint
    if name == "places":
        from teul.network.netavark import Endpoint

        return Endpoint
    from teul.network.ports import PortMapping

    return PortMapping


_MAPPINGS = ("labels", "sysctls", "annotations", "log_options", "healthcheck")
_NESTED = ("mounts", "places", "publish", "ports")
_DEFAULTS: dict[str, object] = {
    name: {} if name in _MAPPINGS else value
    for name, value in Container.__value_defaults__.items()  # type: ignore[attr-defined]
}
_WORDS = tuple(name for name, value in _DEFAULTS.items() if value == () and name not in (*_NESTED, "ulimits"))
