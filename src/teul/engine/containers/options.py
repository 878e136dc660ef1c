"""`ContainerOptions`: what may be said about a container that is to be made. Every field is honoured or refused."""

from __future__ import annotations

from teul.runtime.spec import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass, field

    from teul.oci.image import Healthcheck
    from teul.runtime.spec import Rlimit
else:
    from teul.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """As `docker create` takes them. None or "" means "as the image says".

    `volumes` are `-v` words, `mounts` `--mount` words, `tmpfs` `--tmpfs` words; `publish` are `-p` words; `env` entries
    are `NAME=value` (`NAME` alone takes a variable of the image away). `devices` are `--device` words, paths or CDI names;
    `gpus` `--gpus` words; `runtime` names the one that must run it ("nvidia" gives it the cards its variables ask for). `add_trust`: the process sees the host's
    certificates, proxies and pip settings (`runtime.host_trust`). `health` overrides
    the image's check field by field (a test of `NONE` takes it away). `owner` names what made it (a project), as a label does.
    """

    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    name: str = ""
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    group_add: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    address: str = ""
    address6: str = ""
    mac_address: str = ""
    hostname: str = ""
    domainname: str = ""
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    interactive: bool = False
    tty: bool = False
    detach: bool = False
    remove: bool = False
    starts: bool = False
    """Whether whoever creates it starts it at once: with `remove`, it goes when that does not come about."""
    labels: Mapping[str, str] = field(default_factory=dict)
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
    pid: str = ""
    uts: str = ""
    cgroupns: str = ""
    cgroup_parent: str = ""
    userns: str = ""
    runtime: str = ""
    device_rules: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    stop_signal: str = ""
    stop_timeout_s: int | None = None
    init: bool = False
    keep_log: bool = True
    log_driver: str = ""
    log_options: Mapping[str, str] = field(default_factory=dict)
    health: Healthcheck | None = None
    restart: str = ""
    oom_score_adj: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    pull: str = "missing"
    add_trust: bool = True
