"""Pairs of interfaces, in network namespaces of the test's own."""

import os
import subprocess

import pytest

from teul.host.netns import inside, open_network_namespace
from teul.host.veth import join_bridge

pytestmark = pytest.mark.needs_root
PLACE = {
    "address": "10.9.0.7",
    "prefix": 16,
    "gateway": "10.9.0.1",
    "mac": "02:42:0a:09:00:07",
    "mtu": 1300,
    "metric": 100,
}


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def namespaces():
    """Two of them: the calling thread is in the first, which has a bridge `b0`."""
    found = [open_network_namespace() for _ in range(2)]
    with inside(f"/proc/self/fd/{found[0]}"):
        ip("link", "add", "b0", "type", "bridge")
        ip("addr", "add", "10.9.0.1/16", "dev", "b0")
        ip("link", "set", "b0", "up")
        yield found
    for descriptor in found:
        os.close(descriptor)


def test_an_interface_reaches_the_bridge(namespaces):
    join_bridge(namespaces[1], "b0", "eth5", **PLACE)

    assert " master b0 " in ip("-o", "link", "show", "type", "veth")
    with inside(f"/proc/self/fd/{namespaces[1]}"):
        shown = ip("-o", "addr")
        assert "inet 10.9.0.7/16 brd 10.9.255.255 scope global eth5" in shown
        assert "inet 127.0.0.1/8 scope host lo" in shown
        assert ip("route").startswith("default via 10.9.0.1 dev eth5 proto static metric 100")
        link = ip("-o", "link", "show", "eth5")
        assert "mtu 1300" in link
        assert PLACE["mac"] in link


@pytest.mark.parametrize("change", [{"gateway": "10.8.0.1"}, {"prefix": 0, "gateway": "0.0.0.0"}])
def test_nothing_is_left_of_one_that_the_kernel_refuses(namespaces, change):
    with pytest.raises(OSError):
        join_bridge(namespaces[1], "b0", "eth5", **{**PLACE, **change})
    with pytest.raises(OSError):
        join_bridge(namespaces[1], "no-bridge", "eth5", **PLACE)

    assert ip("-o", "link", "show", "type", "veth") == ""
    with inside(f"/proc/self/fd/{namespaces[1]}"):
        assert ip("-o", "link", "show", "type", "veth") == ""
