"""The flags that `run` and `create` share, all of Docker's, and the options they come to.

A flag of Docker's that teul does not honour is known here by name, so that it is refused and never dropped.
"""

from __future__ import annotations

import os

from teul.cli.flags import Flag
from teul.cli.limit_flags import AT_CREATION, UPDATABLE
from teul.errors import InvalidInput, OptionUnsupported, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from teul.cli.flags import Arguments
    from teul.engine.containers.options import ContainerOptions
    from teul.oci.image import Healthcheck
    from teul.runtime.spec import Limits, Rlimit

SHARED = (
    *UPDATABLE,
    *AT_CREATION,
    Flag("add-host", kind="list", help="Add a custom host-to-IP mapping (host:ip)", metavar="list"),
    Flag("annotation", kind="list", help="Add an annotation to the container", metavar="map"),
    Flag("cap-add", kind="list", help="Add Linux capabilities", metavar="list"),
    Flag("cap-drop", kind="list", help="Drop Linux capabilities", metavar="list"),
    Flag("cgroup-parent", help="Optional parent cgroup for the container", metavar="string"),
    Flag("cgroupns", help="Cgroup namespace to use (host|private)", metavar="string"),
    Flag("cidfile", help="Write the container ID to the file", metavar="string"),
    Flag("device", kind="list", help="Add a host device to the container", metavar="list"),
    Flag("device-cgroup-rule", kind="list", help="Add a rule to the cgroup allowed devices list", metavar="list"),
    Flag("dns", kind="list", help="Set custom DNS servers", metavar="list"),
    Flag("dns-option", kind="list", help="Set DNS options", metavar="list"),
    Flag("dns-opt", kind="list", hidden=True),
    Flag("dns-search", kind="list", help="Set custom DNS search domains", metavar="list"),
    Flag("domainname", help="Container NIS domain name", metavar="string"),
    Flag("entrypoint", help="Overwrite the default ENTRYPOINT of the image", metavar="string"),
    Flag("env", "e", "list", help="Set environment variables", metavar="list"),
    Flag("env-file", kind="list", help="Read in a file of environment variables", metavar="list"),
    Flag("expose", kind="list", help="Expose a port or a range of ports", metavar="list"),
    Flag(
        "gpus", kind="list", help="GPU devices to add to the container ('all' to pass all GPUs)", metavar="gpu-request"
    ),
    Flag("group-add", kind="list", help="Add additional groups to join", metavar="list"),
    Flag("health-cmd", help="Command to run to check health", metavar="string"),
    Flag("health-interval", help="Time between running the check (ms|s|m|h) (default 0s)", metavar="duration"),
    Flag("health-retries", kind="int", help="Consecutive failures needed to report unhealthy", metavar="int"),
    Flag(
        "health-start-interval",
        help="Time between running the check during the start period (ms|s|m|h)",
        metavar="duration",
    ),
    Flag(
        "health-start-period",
        help="Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)",
        metavar="duration",
    ),
    Flag("health-timeout", help="Maximum time to allow one check to run (ms|s|m|h)", metavar="duration"),
    Flag("hostname", "h", help="Container host name", metavar="string"),
    Flag("init", kind="bool", help="Run an init inside the container that forwards signals and reaps processes"),
    Flag("interactive", "i", "bool", help="Keep STDIN open even if not attached"),
    Flag("ip", help="IPv4 address (e.g., 172.30.100.104)", metavar="string"),
    Flag("ip6", help="IPv6 address (e.g., 2001:db8::33)", metavar="string"),
    Flag("mac-address", help="Container MAC address (e.g., 92:d0:c6:0a:29:33)", metavar="string"),
    Flag("ipc", help="IPC mode to use", metavar="string"),
    Flag("label", "l", "list", help="Set meta data on a container", metavar="list"),
    Flag("label-file", kind="list", help="Read in a line delimited file of labels", metavar="list"),
    Flag("log-driver", help="Logging driver for the container: json-file, local or none", metavar="string"),
    Flag("log-opt", kind="list", help="Log driver options: max-size, max-file, labels, env", metavar="list"),
    Flag("mount", kind="list", help="Attach a filesystem mount to the container", metavar="mount"),
    Flag("name", help="Assign a name to the container", metavar="string"),
    Flag("network", kind="list", help="Connect a container to a network", metavar="network"),
    Flag("net", kind="list", hidden=True),
    Flag("network-alias", kind="list", help="Add network-scoped alias for the container", metavar="list"),
    Flag("net-alias", kind="list", hidden=True),
    Flag("no-healthcheck", kind="bool", help="Disable any container-specified HEALTHCHECK"),
    Flag(
        "no-host-trust", kind="bool", help="Keep the host's certificates, proxies and pip settings out of the container"
    ),
    Flag("oom-score-adj", kind="int", help="Tune host's OOM preferences (-1000 to 1000)", metavar="int"),
    Flag("pid", help="PID namespace to use", metavar="string"),
    Flag("platform", help="Set platform if server is multi-platform capable", metavar="string"),
    Flag("privileged", kind="bool", help="Give extended privileges to this container"),
    Flag("publish", "p", "list", help="Publish a container's port(s) to the host", metavar="list"),
    Flag("publish-all", "P", "bool", help="Publish all exposed ports to random ports"),
    Flag("pull", help='Pull image before running ("always", "missing", "never")', default="missing", metavar="string"),
    Flag("quiet", "q", "bool", help="Suppress the pull output"),
    Flag("read-only", kind="bool", help="Mount the container's root filesystem as read only"),
    Flag(
        "restart",
        help="Restart policy to apply when a container exits: no, always, unless-stopped or on-failure[:max]",
        metavar="string",
    ),
    Flag("rm", kind="bool", help="Automatically remove the container and its anonymous volumes when it exits"),
    Flag("runtime", help="Runtime to use for this container", metavar="string"),
    Flag("security-opt", kind="list", help="Security Options", metavar="list"),
    Flag("shm-size", help="Size of /dev/shm; half of the memory (limit) unless given", metavar="bytes"),
    Flag("stop-signal", help="Signal to stop the container", metavar="string"),
    Flag("stop-timeout", kind="int", help="Timeout (in seconds) to stop a container", metavar="int"),
    Flag("sysctl", kind="list", help="Sysctl options", metavar="map"),
    Flag("tmpfs", kind="list", help="Mount a tmpfs directory", metavar="list"),
    Flag("tty", "t", "bool", help="Allocate a pseudo-TTY"),
    Flag("ulimit", kind="list", help="Ulimit options", metavar="ulimit"),
    Flag("user", "u", help="Username or UID (format: <name|uid>[:<group|gid>])", metavar="string"),
    Flag("userns", help="User namespace to use", metavar="string"),
    Flag("uts", help="UTS namespace to use", metavar="string"),
    Flag("volume", "v", "list", help="Bind mount a volume", metavar="list"),
    Flag("volumes-from", kind="list", help="Mount volumes from the specified container(s)", metavar="list"),
    Flag("workdir", "w", help="Working directory inside the container", metavar="string"),
)
HEALTH_FLAGS = (
    *("health-cmd", "health-interval", "health-retries", "health-start-interval", "health-start-period"),
    "health-timeout",
)
REFUSED = (
    *("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops", "isolation", "kernel-memory"),
    *("link", "link-local-ip", "storage-opt", "volume-driver"),
)
REFUSED_SWITCHES = ("use-api-socket",)
REFUSED_FLAGS = (
    *(Flag(name, kind="list", hidden=True) for name in REFUSED),
    *(Flag(name, kind="bool", hidden=True) for name in REFUSED_SWITCHES),
    Flag("disable-content-trust", kind="bool", default=True, hidden=True),
)
_LIMIT_NAMES = frozenset(flag.name for flag in (*UPDATABLE, *AT_CREATION))
HINTS = {
    "volume-driver": text("only local volumes are there"),
}


def to_options(arguments: Arguments, *, detach: bool, environ: Mapping[str, str]) -> ContainerOptions:
    """The options that a command line comes to.

    Raises:
        OptionUnsupported, UsageError, InvalidInput.
    """
    from teul.engine.containers.options import ContainerOptions

    refuse(arguments)
    image, *command = arguments.rest
    entrypoint = arguments.optional("entrypoint")
    return ContainerOptions(
        image=image,
        command=tuple(command) if command else None,
        entrypoint=None if entrypoint is None else (entrypoint,),
        name=arguments.string("name"),
        env=environment(arguments, environ),
        working_dir=arguments.string("workdir"),
        user=arguments.string("user"),
        group_add=tuple(arguments.strings("group-add")),
        volumes=tuple(arguments.strings("volume")),
        mounts=tuple(arguments.strings("mount")),
        tmpfs=tuple(arguments.strings("tmpfs")),
        publish=tuple(arguments.strings("publish")),
        publish_all=arguments.flag("publish-all"),
        expose=tuple(arguments.strings("expose")),
        network=(*arguments.strings("network"), *arguments.strings("net")),
        aliases=(*arguments.strings("network-alias"), *arguments.strings("net-alias")),
        address=arguments.string("ip"),
        address6=arguments.string("ip6"),
        mac_address=arguments.string("mac-address"),
        hostname=arguments.string("hostname"),
        domainname=arguments.string("domainname"),
        extra_hosts=_hosts(arguments.strings("add-host")),
        dns=_servers(arguments.strings("dns")),
        dns_search=tuple(arguments.strings("dns-search")),
        dns_options=(*arguments.strings("dns-option"), *arguments.strings("dns-opt")),
        interactive=arguments.flag("interactive"),
        tty=arguments.flag("tty"),
        detach=detach,
        remove=arguments.flag("rm"),
        labels=pairs([*_lines(arguments.strings("label-file")), *arguments.strings("label")]),
        limits=_limits(arguments),
        shm_size_bytes=_size(arguments, "shm-size"),
        ulimits=tuple(parse_ulimit(word) for word in arguments.strings("ulimit")),
        readonly=arguments.flag("read-only"),
        privileged=arguments.flag("privileged"),
        cap_add=tuple(arguments.strings("cap-add")),
        cap_drop=tuple(arguments.strings("cap-drop")),
        security_options=tuple(arguments.strings("security-opt")),
        devices=tuple(arguments.strings("device")),
        sysctls=pairs(arguments.strings("sysctl")),
        annotations=pairs(arguments.strings("annotation")),
        ipc=arguments.string("ipc"),
        pid=arguments.string("pid"),
        uts=arguments.string("uts"),
        cgroupns=arguments.string("cgroupns"),
        cgroup_parent=arguments.string("cgroup-parent"),
        userns=arguments.string("userns"),
        runtime=arguments.string("runtime"),
        device_rules=tuple(arguments.strings("device-cgroup-rule")),
        gpus=tuple(arguments.strings("gpus")),
        volumes_from=tuple(arguments.strings("volumes-from")),
        stop_signal=arguments.string("stop-signal"),
        stop_timeout_s=arguments.integer("stop-timeout"),
        init=arguments.flag("init"),
        keep_log=arguments.string("log-driver") != "none",
        log_driver=arguments.string("log-driver"),
        log_options=pairs(arguments.strings("log-opt")),
        health=_health(arguments),
        restart=arguments.string("restart"),
        oom_score_adj=arguments.integer("oom-score-adj"),
        platform=arguments.string("platform"),
        pull=_pull(arguments),
        add_trust=not arguments.flag("no-host-trust"),
    )


def refuse(arguments: Arguments) -> None:
    """Raises: OptionUnsupported, for the first given flag that would not be honoured."""
    for name in (*REFUSED, *REFUSED_SWITCHES):
        if name in arguments.given:
            raise OptionUnsupported(f"--{name}", hint=HINTS.get(name))


def _health(arguments: Arguments) -> Healthcheck | None:
    """What the `--health` flags say; None when they say nothing.

    Raises:
        InvalidInput: with Docker's words.
    """
    given = [name for name in HEALTH_FLAGS if name in arguments.given]
    if arguments.flag("no-healthcheck"):
        if given:
            raise InvalidInput(text("--no-healthcheck conflicts with --health-* options"))
    elif not given:
        return None
    from teul.oci.image import Healthcheck

    if arguments.flag("no-healthcheck"):
        return Healthcheck(("NONE",))
    retries = arguments.integer("health-retries") or 0
    if retries < 0:
        raise InvalidInput(text("--health-retries cannot be negative"))
    command = arguments.string("health-cmd")
    times = {
        name: _duration_ns(arguments, f"health-{name}")
        for name in ("interval", "timeout", "start-period", "start-interval")
    }
    for name, value in times.items():
        if value < 0:
            raise InvalidInput(text("--health-{name} cannot be negative", name=name))
    return Healthcheck(
        ("CMD-SHELL", command) if command else (),
        times["interval"],
        times["timeout"],
        times["start-period"],
        times["start-interval"],
        retries,
    )


def _duration_ns(arguments: Arguments, name: str) -> int:
    """A duration as Go writes it, in nanoseconds."""
    word = arguments.string(name)
    if not word:
        return 0
    rest, total = word.removeprefix("-"), 0.0
    units = {"h": 3600.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "m": 60.0, "s": 1.0}
    while rest and rest != "0":
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        unit = next((item for item in units if rest.startswith(item)), "")
        try:
            total += float(digits) * units[unit]
        except (ValueError, KeyError):
            raise InvalidInput(
                text(
                    'invalid argument "{value}" for "--{name}" flag: time: invalid duration "{value}"',
                    value=word,
                    name=name,
                )
            ) from None
        rest = rest[len(unit) :]
    return int(total * 1e9) * (-1 if word.startswith("-") else 1)


def environment(arguments: Arguments, environ: Mapping[str, str]) -> tuple[str, ...]:
    """`--env-file` lines, then `-e` words; a name alone takes its value from here, or takes the image's away if there is none.

    Raises:
        InvalidInput: a file is missing, or a line is not a variable.
    """
    made = []
    for entry in (*_lines(arguments.strings("env-file")), *arguments.strings("env")):
        name, equals, _ = entry.partition("=")
        if not name or (" " in name and not equals):
            raise InvalidInput(text("invalid environment variable: {entry}", entry=entry))
        if equals:
            made.append(entry)
        else:
            made.append(f"{name}={environ[name]}" if name in environ else name)
    return tuple(made)


def _servers(words: Sequence[str]) -> tuple[str, ...]:
    """Raises: InvalidInput: one is no IP address."""
    if words:
        from teul.network.addresses import number

        for word in words:
            number(word)
    return tuple(words)


def _hosts(words: Sequence[str]) -> tuple[str, ...]:
    """Raises: InvalidInput: one is not `name:address` or `name=address`."""
    if words:
        from teul.network.addresses import number
        from teul.runtime.names import HOST_GATEWAY

        for word in words:
            name, found, address = word.partition("=" if "=" in word else ":")
            if not found or not name or not address:
                raise InvalidInput(text("invalid argument `{value}` for `--add-host`: expected `host:ip`", value=word))
            if address != HOST_GATEWAY:
                number(address.strip("[]"))
    return tuple(words)


def parse_ulimit(word: str) -> Rlimit:
    """`nofile=1024:2048`, `core=0`, `memlock=-1`.

    Raises:
        InvalidInput: with Docker's words.
    """
    from teul.runtime.spec import RLIMITS, Rlimit

    name, equals, value = word.partition("=")
    if not equals:
        raise InvalidInput(text("invalid ulimit argument: {word}", word=word))
    if name not in RLIMITS:
        raise InvalidInput(text("invalid ulimit type: {name}", name=name))
    soft, _, hard = value.partition(":")
    try:
        low = int(soft)
        high = int(hard) if hard else low
    except ValueError:
        raise InvalidInput(text("invalid ulimit argument: {word}", word=word)) from None
    if high != -1 and (low == -1 or low > high):
        raise InvalidInput(
            text("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}", soft=low, hard=high)
        )
    return Rlimit(name, low, high)


def _limits(arguments: Arguments) -> Limits:
    if not arguments.given.isdisjoint(_LIMIT_NAMES):
        from teul.cli.limit_flags import read_limits

        return read_limits(arguments)
    from teul.runtime.spec import Limits

    return Limits()


def _size(arguments: Arguments, name: str) -> int:
    value = arguments.string(name)
    if not value:
        return 0
    from teul.volumes import parse_size

    return parse_size(value)


def _pull(arguments: Arguments) -> str:
    value = arguments.string("pull")
    if value not in ("always", "missing", "never"):
        raise UsageError(
            text('invalid pull option: \'{value}\': must be one of "always", "missing" or "never"', value=value),
            hint=text("teul run --help"),
        )
    return value


def pairs(words: Sequence[str]) -> dict[str, str]:
    """`NAME=value` words as a mapping; a name alone has the value ""."""
    made = {}
    for word in words:
        name, _, value = word.partition("=")
        made[name] = value
    return made


def _lines(paths: Sequence[str]) -> list[str]:
    made: list[str] = []
    for path in paths:
        try:
            with open(os.path.expanduser(path), encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            problem = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            raise InvalidInput(text("file `{path}`: {problem}", path=path, problem=problem)) from error
        made += [line.lstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return made
