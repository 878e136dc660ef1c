"""The flags of resource limits, shared by `run`, `create` and (some) `update`, read into `Limits`.

Source: docker/cli, cli/command/container/opts.go.
"""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.flags import Arguments
    from teul.runtime.spec import Limits

UPDATABLE = (
    Flag(
        "blkio-weight",
        kind="int",
        help="Block IO (relative weight), between 10 and 1000, or 0 to disable",
        metavar="int",
    ),
    Flag("cpu-period", kind="int", help="Limit CPU CFS (Completely Fair Scheduler) period", metavar="int"),
    Flag("cpu-quota", kind="int", help="Limit CPU CFS (Completely Fair Scheduler) quota", metavar="int"),
    Flag("cpu-rt-period", kind="int", help="Limit the CPU real-time period in microseconds", metavar="int"),
    Flag("cpu-rt-runtime", kind="int", help="Limit the CPU real-time runtime in microseconds", metavar="int"),
    Flag("cpu-shares", "c", "int", help="CPU shares (relative weight)", metavar="int"),
    Flag("cpus", help="Number of CPUs", metavar="decimal"),
    Flag("cpuset-cpus", help="CPUs in which to allow execution (0-3, 0,1)", metavar="string"),
    Flag("cpuset-mems", help="MEMs in which to allow execution (0-3, 0,1)", metavar="string"),
    Flag("memory", "m", help="Memory limit", metavar="bytes"),
    Flag("memory-reservation", help="Memory soft limit", metavar="bytes"),
    Flag("memory-swap", help="Swap limit equal to memory plus swap: '-1' to enable unlimited swap", metavar="bytes"),
    Flag("pids-limit", kind="int", help="Tune container pids limit (set -1 for unlimited)", metavar="int"),
)
AT_CREATION = (
    Flag("blkio-weight-device", kind="list", help="Block IO weight (relative device weight)", metavar="list"),
    Flag("device-read-bps", kind="list", help="Limit read rate (bytes per second) from a device", metavar="list"),
    Flag("device-read-iops", kind="list", help="Limit read rate (IO per second) from a device", metavar="list"),
    Flag("device-write-bps", kind="list", help="Limit write rate (bytes per second) to a device", metavar="list"),
    Flag("device-write-iops", kind="list", help="Limit write rate (IO per second) to a device", metavar="list"),
    Flag("memory-swappiness", kind="int", help="Tune container memory swappiness (0 to 100)", metavar="int"),
    Flag("oom-kill-disable", kind="bool", help="Disable OOM Killer"),
)


def read_limits(arguments: Arguments, *, base: Limits | None = None) -> Limits:
    """The limits that the flags come to, on top of *base*.

    Raises:
        InvalidInput: with Docker's words.
    """
    from teul.runtime.spec import Limits
    from teul.values import replace

    given = arguments.given
    changes: dict[str, object] = {}
    for name, field in (("memory", "memory_bytes"), ("memory-reservation", "memory_reservation_bytes")):
        if name in given:
            changes[field] = _size(arguments.string(name))
    if "memory-swap" in given:
        word = arguments.string("memory-swap")
        changes["memory_swap_bytes"] = -1 if word == "-1" else _size(word)
    for name, field in (
        ("cpu-period", "cpu_period_us"),
        ("cpu-quota", "cpu_quota_us"),
        ("cpu-rt-period", "cpu_rt_period_us"),
        ("cpu-rt-runtime", "cpu_rt_runtime_us"),
        ("cpu-shares", "cpu_shares"),
        ("blkio-weight", "io_weight"),
    ):
        if name in given:
            changes[field] = arguments.integer(name) or 0
    for name, field in (("cpuset-cpus", "cpuset"), ("cpuset-mems", "cpuset_memory")):
        if name in given:
            changes[field] = arguments.string(name)
    if "cpus" in given:
        changes["cpus"] = _number(arguments.string("cpus"), "--cpus")
    if "pids-limit" in given:
        changes["pids"] = max(arguments.integer("pids-limit") or 0, 0)
    if "memory-swappiness" in given:
        changes["swappiness"] = _swappiness(arguments.integer("memory-swappiness"))
    if "oom-kill-disable" in given:
        changes["oom_kill_disable"] = arguments.flag("oom-kill-disable")
    devices = tuple(
        _of_device(word, what, flag)
        for flag, what in (
            ("blkio-weight-device", "weight"),
            ("device-read-bps", "read-bps"),
            ("device-write-bps", "write-bps"),
            ("device-read-iops", "read-iops"),
            ("device-write-iops", "write-iops"),
        )
        if flag in given
        for word in arguments.strings(flag)
    )
    if devices:
        changes["devices_io"] = devices
    made: Limits = replace(base or Limits(), **changes)
    return made


def _size(word: str) -> int:
    from teul.volumes import parse_size

    return parse_size(word) if word else 0


def _number(word: str, flag: str) -> float:
    try:
        return float(word or 0)
    except ValueError:
        raise InvalidInput(
            text("invalid argument `{value}` for `{flag}` flag: expected a number", value=word, flag=flag)
        ) from None


def _swappiness(value: int | None) -> int:
    if value is None or value == -1:
        return -1
    if not 0 <= value <= 100:
        raise InvalidInput(text("invalid value: {value}. Valid memory swappiness range is 0-100", value=value))
    return value


def _of_device(word: str, what: str, flag: str) -> tuple[str, str, int]:
    """`/dev/sda:1mb`, `/dev/sda:1000`, `/dev/sda:500`."""
    path, colon, value = word.partition(":")
    if not colon or not path.startswith("/dev/") or not value:
        raise InvalidInput(text("invalid argument `{value}` for `{flag}` flag: expected {form}",
                                value=word, flag=f"--{flag}", form="/dev/NAME:VALUE"))  # fmt: skip
    if what.endswith("bps"):
        return what, path, _size(value)
    if not value.isdigit():
        raise InvalidInput(text("invalid argument `{value}` for `{flag}` flag: expected a number", value=word, flag=f"--{flag}"))  # fmt: skip
    number = int(value)
    if what == "weight" and not 10 <= number <= 1000:
        raise InvalidInput(text("Range of blkio weight is from 10 to 1000"))
    return what, path, number
