"""The words in which Docker's builder writes down what an instruction did. Pure text.

Source: moby/buildkit, frontend/dockerfile/dockerfile2llb/convert.go, as in Docker 26 (BuildKit 0.13): Go's `%q` and `%v` of its values.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.oci.image import Healthcheck

SIGNALS = (
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
)  # fmt: skip


def command_text(keyword: str, words: Sequence[str]) -> str:
    """`COPY a b # buildkit`."""
    return " ".join([keyword, *words]) + " # buildkit"


def run_text(words: Sequence[str], arguments: Sequence[tuple[str, str]]) -> str:
    """`RUN |1 A=b /bin/sh -c … # buildkit`: the ARGs as often as they were declared before it, then the words."""
    given = [f"{name}={value}" for name, value in arguments]
    return command_text("RUN", [f"|{len(given)}", *given, *words] if given else words)


def quoted(value: str) -> str:
    """Go's `%q` of a string."""
    made = ['"']
    for char in value:
        code = ord(char)
        if char in '"\\':
            made.append("\\" + char)
        elif char in _ESCAPES:
            made.append(_ESCAPES[char])
        elif char.isprintable() or char == " ":
            made.append(char)
        elif code < 0x80:
            made.append(f"\\x{code:02x}")
        else:
            made.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return "".join(made) + '"'


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def quoted_list(values: Sequence[str]) -> str:
    """Go's `%q` of a list of strings: `["a" "b"]`."""
    return "[" + " ".join(quoted(value) for value in values) + "]"


def healthcheck_text(check: Healthcheck) -> str:
    """As in `HEALTHCHECK &{["CMD" "true"] "30s" "3s" "0s" "0s" '!'}`, where the last one is the count of retries."""
    durations = (check.interval_ns, check.timeout_ns, check.start_period_ns, check.start_interval_ns)
    parts = [quoted_list(check.test), *(f'"{duration(value)}"' for value in durations), _rune(check.retries)]
    return f"HEALTHCHECK &{{{' '.join(parts)}}}"


def _rune(code: int) -> str:
    """Go's `%q` of a number: the character it stands for."""
    char = chr(code) if code < 0x110000 else "\ufffd"
    if char in "'\\":
        return f"'\\{char}'"
    return "'" + quoted(char)[1:-1].replace('\\"', '"') + "'"


def duration(value_ns: int) -> str:
    """Go's way to write a duration: `1m30s`, `1.5s`, `0s`."""
    if value_ns == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if value_ns < size * 1000:
            return f"{value_ns / size:g}{unit}"
    seconds, rest = divmod(value_ns, 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    made = f"{seconds}{fraction}s"
    if hours or minutes:
        made = f"{minutes}m{made}"
    return f"{hours}h{made}" if hours else made


def ports(word: str) -> list[str]:
    """The ports of one word of EXPOSE: `80`, `80/udp`, `8000-8010/tcp`, each as `80/tcp`.

    Raises:
        ValueError: with Docker's words.
    """
    spec, _, protocol = word.partition("/")
    protocol = protocol.lower() or "tcp"
    spec = spec.rpartition(":")[2]
    if not spec:
        raise ValueError(f"no port specified: {word}<empty>")
    if protocol not in ("tcp", "udp", "sctp"):
        raise ValueError(f"invalid proto: {protocol}")
    first, dash, last = spec.partition("-")
    numbers = [first, last if dash else first]
    if not all(number.isascii() and number.isdigit() and int(number) < 65536 for number in numbers):
        raise ValueError(f"invalid containerPort: {spec}")
    start, end = (int(number) for number in numbers)
    if end < start:
        raise ValueError(f"invalid range specified for port: {spec}")
    return [f"{number}/{protocol}" for number in range(start, end + 1)]


def stop_signal(word: str) -> bool:
    """Whether *word* is a signal: a number, or a name with or without SIG."""
    if word.isascii() and word.isdigit():
        return 0 < int(word) < 65
    name = word.upper().removeprefix("SIG")
    return name in SIGNALS or (name.startswith(("RTMIN", "RTMAX")) and len(name) <= 8)
