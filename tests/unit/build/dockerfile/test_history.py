from __future__ import annotations

import pytest

from teul.build.dockerfile.history import duration, healthcheck_text, ports, quoted, stop_signal
from teul.oci.image import Healthcheck


def test_a_healthcheck_reads_as_gos_value() -> None:
    check = Healthcheck(("CMD-SHELL", 'curl "x"'), interval_ns=30 * 10**9, timeout_ns=1500 * 10**6, retries=3)

    assert healthcheck_text(check) == r"""HEALTHCHECK &{["CMD-SHELL" "curl \"x\""] "30s" "1.5s" "0s" "0s" '\x03'}"""


@pytest.mark.parametrize(
    ("value_ns", "expected"),
    [(0, "0s"), (1500, "1.5µs"), (10**6, "1ms"), (90 * 10**9, "1m30s"), (3600 * 10**9, "1h0m0s"), (61 * 10**9, "1m1s")],
)
def test_durations_read_as_gos(value_ns: int, expected: str) -> None:
    assert expected == duration(value_ns)


def test_quoting_is_gos() -> None:
    assert quoted('a"\\\n\t\x01한') == r'"a\"\\\n\t\x01한"'


def test_ports_have_ranges_and_protocols() -> None:
    assert ports("80") == ["80/tcp"]
    assert ports("1-2/UDP") == ["1/udp", "2/udp"]


def test_signals_are_names_or_numbers() -> None:
    assert [stop_signal(word) for word in ("SIGTERM", "kill", "9", "SIGNO")] == [True, True, True, False]
