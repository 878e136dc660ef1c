"""Ports that are reserved, and who has the others."""

import os
import socket

import pytest

from teul.errors import PortInUse
from teul.network.holders import free_port, holder_pid, reserve
from teul.network.ports import PortMapping


@pytest.fixture
def listener():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made.getsockname()[1]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_free_port_is_chosen_and_held(protocol):
    made, held = reserve([PortMapping(80, 0, "127.0.0.1", protocol)])
    try:
        assert made[0].host_port > 0
        with pytest.raises(PortInUse):
            reserve([PortMapping(80, made[0].host_port, "127.0.0.1", protocol)])
    finally:
        for descriptor in held:
            os.close(descriptor)


def test_a_port_in_use_names_its_process_and_a_free_one(listener):
    with pytest.raises(PortInUse) as caught:
        reserve([PortMapping(80, listener)])

    assert listener == caught.value.port
    assert f"(pid {os.getpid()})" in caught.value.holder
    assert caught.value.free not in (0, listener)


def test_nothing_stays_held_after_a_failure(listener):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(PortInUse):
        reserve([PortMapping(80, 0), PortMapping(81, listener)])

    assert before == len(os.listdir("/proc/self/fd"))


def test_the_process_that_listens_is_found(listener):
    assert os.getpid() == holder_pid(listener)
    assert holder_pid(free_port(start=listener + 1)) == 0
