"""Containers that join networks and leave them while they run, isolation, IPv6, and what others see of it."""

import os
import subprocess
import threading

import pytest

from integration.containers.test_network import fetch, wait_until
from suites.containers import held
from teul.engine import containers, inspection, networks
from teul.errors import AlreadyExists, Conflict, InvalidInput, OptionUnsupported, TeulError

pytestmark = [pytest.mark.needs_runc, pytest.mark.needs_network, pytest.mark.slow]
SERVE = "mkdir -p /w; echo served > /w/index.html; exec httpd -f -p 80 -h /w"


def reaches(box, container, host):
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        words = ["ping", "-c1", "-W1", host]
        return containers.exec_(box.engine, container, words, stdout=nowhere, stderr=nowhere) == 0
    finally:
        os.close(nowhere)


def test_a_running_container_joins_and_leaves_a_network(box):
    networks.create(box.engine, "one")
    networks.create(box.engine, "two", subnet="10.213.81.0/24")
    box.start("sh", "-c", SERVE, name="web", network=("one",), publish=("80",))
    box.start("sleep", "600", name="client", network=("two",))
    assert not reaches(box, "client", "web")

    networks.connect(box.engine, "two", "web", aliases=("store",), address="10.213.81.20")

    found = containers.get(box.engine, "web")
    assert found.networks["two"].ip == "10.213.81.20"
    assert found.networks["two"].interface == "eth1"
    assert found.networks["two"].mac
    for name in ("web", "store", "10.213.81.20"):
        wait_until(lambda host=name: reaches(box, "client", host))
    seen = inspection.describe(box.engine, "network", "two")["Containers"][found.id]
    assert (seen["Name"], seen["IPv4Address"]) == ("web", "10.213.81.20/24")
    hosts = f"/proc/{found.pid}/root/etc/hosts"
    with open(hosts) as file:
        assert f"10.213.81.20\t{found.hostname}\n" in file.read()
    with pytest.raises(AlreadyExists, match="endpoint with name web already exists in network two"):
        networks.connect(box.engine, "two", "web")

    # The first network goes: its route with it, and the published port is still there.
    networks.disconnect(box.engine, "one", "web")
    found = containers.get(box.engine, "web")
    assert list(found.networks) == ["two"]
    assert sorted(os.listdir(f"/proc/{found.pid}/root/sys/class/net")) == ["eth1", "lo"]
    assert reaches(box, "client", "store")
    with pytest.raises(Conflict, match="is not connected to network one"):
        networks.disconnect(box.engine, "one", "web")
    networks.remove(box.engine, "one")

    # What was joined is joined again after a restart.
    containers.stop(box.engine, "web", timeout_s=0)
    containers.start(box.engine, "web")
    wait_until(lambda: reaches(box, "client", "store"))
    networks.disconnect(box.engine, "two", "web")
    assert not reaches(box, "client", "store")


def test_a_stopped_container_is_connected_when_it_starts(box):
    networks.create(box.engine, "one")
    made = containers.create(box.engine, box.options("sleep", "600", name="late", network=()))
    networks.connect(box.engine, "one", "late", aliases=("x",))
    networks.disconnect(box.engine, "bridge", "late")

    started = containers.start(box.engine, made.id)

    assert list(started.networks) == ["one"]
    assert started.networks["one"].aliases == ("x",)
    containers.stop(box.engine, "late", timeout_s=0)
    networks.disconnect(box.engine, "one", "late")
    alone = containers.start(box.engine, made.id)
    assert os.listdir(f"/proc/{alone.pid}/root/sys/class/net") == ["lo"]


@pytest.mark.parametrize("mode", ["host", "none", "container"])
def test_a_container_without_a_network_of_its_own_joins_none(box, mode):
    networks.create(box.engine, "one")
    box.start("sleep", "600", name="other", network=())
    box.start("sleep", "600", name="odd", network=("container:other" if mode == "container" else mode,))

    with pytest.raises(Conflict, match=r"private \(none\) mode|cannot be connected to any other network"):
        networks.connect(box.engine, "one", "odd")


def test_networks_do_not_reach_each_other(box):
    networks.create(box.engine, "one")
    networks.create(box.engine, "two")
    networks.create(box.engine, "third")
    networks.create(box.engine, "quiet", options={"com.docker.network.bridge.enable_icc": "false"})
    web = box.start("sh", "-c", SERVE, name="web", network=("one",))
    box.start("sleep", "600", name="friend", network=("one",))
    box.start("sleep", "600", name="stranger", network=("two",))
    box.start("sleep", "600", name="guest", network=())
    box.start("sleep", "600", name="passing", network=("third",))
    address = web.networks["one"].ip
    wait_until(lambda: reaches(box, "friend", address))

    assert not reaches(box, "stranger", address)
    assert not reaches(box, "guest", address)

    # netavark 1.4 takes everybody's isolation away with one network; ours stays.
    containers.remove(box.engine, "passing", force=True)
    networks.remove(box.engine, "third")
    assert not reaches(box, "stranger", address)

    silent = box.start("sh", "-c", SERVE, name="silent", network=("quiet",))
    box.start("sleep", "600", name="neighbour", network=("quiet",))
    assert not reaches(box, "neighbour", silent.networks["quiet"].ip)


def test_a_network_of_both_families(box):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("the kernel has no IPv6")
    made = networks.create(box.engine, "six", ipv6=True, subnet=("10.213.82.0/24", "fd00:213:82::/64"))
    web = box.start("sh", "-c", SERVE, name="web", network=("name=six,ip6=fd00:213:82::20",), publish=("80",))

    assert (made.gateway, made.gateway6) == ("10.213.82.1", "fd00:213:82::1")
    assert web.networks["six"].address6 == "fd00:213:82::20"
    wait_until(lambda: fetch("fd00:213:82::20", 80) == b"served\n")
    wait_until(lambda: fetch("127.0.0.1", web.ports[0].host_port) == b"served\n")
    shown = box.say("ip -6 route | grep -c default; nslookup -type=aaaa web | tail -2", network=("six",))
    assert shown.startswith("1\n")
    assert "fd00:213:82::20" in shown
    described = inspection.describe(box.engine, "network", "six")
    assert described["EnableIPv6"]
    assert [block["Subnet"] for block in described["IPAM"]["Config"]] == ["10.213.82.0/24", "fd00:213:82::/64"]
    with pytest.raises(InvalidInput, match="no configured subnet"):
        box.run("true", network=("name=six,ip6=fd00:1::2",))

    containers.remove(box.engine, "web", force=True)
    networks.remove(box.engine, "six")
    saved = subprocess.run(["ip6tables-save"], capture_output=True, text=True, check=True).stdout
    assert "fd00:213:82:" not in saved


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"subnet": "banana"}, InvalidInput, "invalid subnet banana: invalid CIDR block notation"),
        ({"gateway": "10.1.1.1"}, InvalidInput, "every ip-range or gateway must have a corresponding subnet"),
        ({"subnet": "10.213.83.0/24", "gateway": "1.2.3.4"}, InvalidInput, "no matching subnet for gateway 1.2.3.4"),
        ({"subnet": "10.213.83.0/24", "ip_range": "10.9.0.0/24"}, InvalidInput, "no matching subnet for range"),
        ({"subnet": ("10.213.83.0/24", "10.213.84.0/24")}, InvalidInput, "doesn't support multiple subnets"),
        ({"options": {"com.docker.network.bridge.name": "a name"}}, InvalidInput, "up to 15 letters"),
        ({"options": {"com.docker.network.driver.mtu": "many"}}, InvalidInput, "expected a number of bytes"),
        ({"options": {"com.docker.network.bridge.inhibit_ipv4": "true"}}, OptionUnsupported, "inhibit_ipv4"),
        ({"driver": "overlay"}, OptionUnsupported, "--driver overlay"),
    ],
)
def test_networks_that_cannot_be(engine, words, error, said):
    with pytest.raises(error, match=said):
        networks.create(engine, "bad", **words)


def test_a_range_and_reserved_addresses_are_kept_to(box):
    networks.create(
        box.engine,
        "ranged",
        subnet="10.213.85.0/24",
        ip_range="10.213.85.128/30",
        reserved={"printer": "10.213.85.128"},
        options={"com.docker.network.bridge.name": "tlranged0", "com.docker.network.driver.mtu": "1280"},
    )

    given = [box.start("sleep", "60", network=("ranged",)) for _ in range(3)]

    assert [item.networks["ranged"].ip for item in given] == ["10.213.85.129", "10.213.85.130", "10.213.85.131"]
    with pytest.raises(Conflict, match="no free address"):
        box.start("sleep", "60", network=("ranged",))
    with pytest.raises(Conflict, match="Address already in use"):
        box.start("sleep", "60", network=("name=ranged,ip=10.213.85.128",))
    with open("/sys/class/net/tlranged0/mtu") as file:
        assert file.read() == "1280\n"


def test_ports_on_chosen_addresses_and_ranges(box):
    started = box.start(
        "sh", "-c", SERVE, network=(), publish=("127.0.0.1:0:80", "40210-40219:81", "40220-40221:90-91/udp")
    )
    again = box.start("sleep", "60", network=(), publish=("40210-40219:81",))

    assert started.ports[0].host_ip == "127.0.0.1"
    wait_until(lambda: fetch("127.0.0.1", started.ports[0].host_port) == b"served\n")
    assert 40210 <= started.ports[1].host_port < again.ports[0].host_port <= 40219
    assert [(item.container_port, item.host_port) for item in started.ports[2:]] == [(90, 40220), (91, 40221)]
    with pytest.raises(InvalidInput, match="this host has no such address"):
        box.start("sleep", "60", network=(), publish=("203.0.113.7:80:80",))
    with pytest.raises(InvalidInput, match="the container has no IPv6 address"):
        box.start("sleep", "60", network=(), publish=("[fd00:1::7]:80:80",))


def test_eight_at_a_time_take_different_addresses(box):
    networks.create(box.engine, "busy")
    problems = []

    def start(number):
        from teul.engine import Engine

        engine = Engine.open(box.engine.settings)
        try:
            network = networks.create(engine, f"own{number}")
            made = containers.create(engine, box.options("sleep", "600", network=("busy", network.name)))
            containers.start(engine, made.id)
        except TeulError as error:
            problems.append(error)
        finally:
            engine.db.close()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    found = containers.list_containers(box.engine)
    assert len({item.networks["busy"].ip for item in found}) == 8
    known = networks.known(box.engine)
    assert len({item.subnet for item in known}) == len({item.bridge for item in known}) == len(known)


def test_twenty_containers_with_networks_of_their_own_leave_nothing(box):
    networks.create(box.engine, "warm")
    box.run("true", network=("warm",))
    networks.remove(box.engine, "warm")
    wait_until(lambda: not held(box.engine)["processes"])
    before = held(box.engine)
    for number in range(20):
        networks.create(box.engine, f"n{number}")
        box.start("sleep", "600", name=f"c{number}", network=(f"n{number}",))
    assert len(containers.list_containers(box.engine)) == 20

    for number in range(20):
        containers.remove(box.engine, f"c{number}", force=True)
        networks.remove(box.engine, f"n{number}")

    wait_until(lambda: not held(box.engine)["processes"])
    assert held(box.engine) == before
