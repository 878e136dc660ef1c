"""Networks on a real netavark: addresses, names, ports, and that nothing is left."""

import http.client
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from suites.containers import held
from teul.engine import containers, networks
from teul.errors import Conflict, NetworkNotFound, PortInUse
from teul.network import direct, netavark

pytestmark = [pytest.mark.needs_runc, pytest.mark.needs_network, pytest.mark.slow]
SERVE = "mkdir -p /w; echo served > /w/index.html; exec httpd -f -p 80 -h /w"


def wait_until(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
    return found


def fetch(host, port):
    try:
        connection = http.client.HTTPConnection(host, port, timeout=2)
        connection.request("GET", "/")
        return connection.getresponse().read()
    except OSError:
        return b""


@pytest.fixture
def host_server():
    """A server of the host's on all addresses; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"from the host\n")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_none_has_a_loopback_only(box):
    assert box.say("ip -o -4 addr | awk '{print $2, $4}'") == "lo 127.0.0.1/8\n"


def test_host_is_the_hosts(box):
    assert box.say("readlink /proc/self/ns/net; hostname", network=("host",)).split() == [
        os.readlink("/proc/self/ns/net"),
        os.uname().nodename,
    ]


def test_the_default_network_reaches_the_host_by_its_gateway(box, host_server):
    network = networks.get(box.engine, "bridge")

    assert box.say(f"wget -qO- http://{network.gateway}:{host_server}", network=()) == "from the host\n"
    assert networks.gateway_addresses(box.engine) == [network.gateway]


def test_addresses_differ_and_are_in_the_hosts_file(box):
    first = box.start("sleep", "60", name="first", network=())
    second = box.start("sleep", "60", name="second", network=())

    assert first.networks["bridge"].ip != second.networks["bridge"].ip
    shown = subprocess.run(
        ["nsenter", "-t", str(first.pid), "-n", "ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True
    ).stdout
    assert first.networks["bridge"].ip in shown
    assert box.run("ping", "-c1", "-W2", second.networks["bridge"].ip, network=()) == 0


def test_the_second_on_a_network_comes_without_netavark_and_is_as_the_first(box, monkeypatch):
    asked = []

    class Setup(netavark.Setup):
        def __init__(self, *words):
            asked.append(words)
            super().__init__(*words)

    monkeypatch.setattr(netavark, "Setup", Setup)
    monkeypatch.setattr(direct, "Setup", Setup)
    script = (
        "ip -o -d addr; ip -o link; ip route; ip -6 route; cd /proc/sys/net;"
        "grep -r . ipv4/conf/eth0 ipv6/conf/eth0 ipv4/neigh/eth0"
    )

    def seen(container):
        done = subprocess.run(
            ["nsenter", "-t", str(container.pid), "-n", "sh", "-c", script], capture_output=True, text=True, check=False
        )
        place = container.networks["bridge"]
        words = done.stdout.replace(place.ip, "IP").replace(place.mac, "MAC").replace("tentative", "")
        # The number of the other end, the link-local address, and how many namespaces there are.
        return re.sub(r"eth0@if\d+|fe80::42:\S+|link-netnsid \d+|dadfailed| +", " ", words)

    first, second = (box.start("sleep", "60", network=()) for _ in range(2))
    assert len(asked) == 1
    assert second.networks["bridge"].mac
    assert "eth0" in seen(first)
    assert seen(first) == seen(second)

    network = networks.get(box.engine, "bridge")
    for number, rule in enumerate(direct._rules(network.bridge, network.subnet)):
        change = ["-D" if word == "-C" else word for word in rule]
        subprocess.run(["iptables", "-w", *change], check=True)
        again = box.start("sleep", "60", network=())
        assert len(asked) == 2 + number
        assert seen(again) == seen(first)
        subprocess.run(["iptables", "-w", *rule], check=True)


def test_published_ports_are_reached_from_the_host(box):
    started = box.start("sh", "-c", SERVE, name="web", network=(), publish=("127.0.0.1::80", "80"))
    ports = {port.host_ip: port.host_port for port in started.ports}

    wait_until(lambda: fetch("127.0.0.1", ports["127.0.0.1"]) == b"served\n")
    assert fetch("127.0.0.1", ports[""]) == b"served\n"
    assert fetch(started.networks["bridge"].gateway, ports[""]) == b"served\n"
    containers.stop(box.engine, "web", timeout_s=0)
    assert fetch("127.0.0.1", ports[""]) == b""
    again = containers.start(box.engine, "web")
    wait_until(lambda: fetch("127.0.0.1", again.ports[-1].host_port) == b"served\n")


def test_a_port_in_use_names_who_has_it(box, host_server):
    with pytest.raises(PortInUse) as caught:
        box.run("true", network=(), publish=(f"{host_server}:80",))
    assert f"(pid {os.getpid()})" in caught.value.holder

    started = box.start("sleep", "60", name="holder", network=(), publish=("80",))
    with pytest.raises(PortInUse) as caught:
        box.run("true", network=(), publish=(f"{started.ports[0].host_port}:80",))
    assert caught.value.holder == "container `holder`"
    assert [item.name for item in containers.list_containers(box.engine, all=True)] == ["holder"]


def test_a_reserved_port_cannot_be_bound_by_others(box):
    started = box.start("sleep", "60", network=(), publish=("80",))
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("0.0.0.0", started.ports[0].host_port))


def test_names_and_aliases_on_a_network_of_ones_own(box):
    networks.create(box.engine, "mine")
    started = box.start("sleep", "60", name="server", network=("mine",), aliases=("db",))
    address = started.networks["mine"].ip

    shown = box.say(
        "for n in server db SERVER; do nslookup -type=a $n 2>&1 | tail -2; done; ping -c1 db", network=("mine",)
    )
    assert shown.count(f"Address: {address}") == 3
    assert "1 packets received" in shown
    assert box.run("ping", "-c1", "-W1", "server", network=()) != 0

    containers.remove(box.engine, "server", force=True)
    assert box.run("ping", "-c1", "-W1", "server", network=("mine",)) != 0


def test_a_subnet_gateway_and_address_of_ones_own(box):
    networks.create(box.engine, "mine", subnet="10.213.77.0/24", gateway="10.213.77.254", labels={"a": "b"})

    assert box.say(
        "ip -o -4 addr show eth0 | awk '{print $4}'; ip route | head -1", network=("mine",), address="10.213.77.9"
    ) == ("10.213.77.9/24\ndefault via 10.213.77.254 dev eth0  metric 100 \n")


def test_an_internal_network_reaches_nothing_outside(box, host_server):
    networks.create(box.engine, "inner", internal=True)

    assert box.say("ip route | grep -c default || true", network=("inner",)) == "0\n"


def test_two_networks_at_once(box):
    networks.create(box.engine, "one")
    networks.create(box.engine, "two")

    assert box.say("ls /sys/class/net | grep -c eth", network=("one", "two")) == "2\n"


def test_the_network_of_another_container(box):
    box.start("sh", "-c", SERVE, name="web", network=())

    wait_until(lambda: box.run("wget", "-qO-", "http://127.0.0.1", network=("container:web",)) == 0)
    assert box.out == b"served\n"


def test_a_network_with_containers_is_not_removed(box):
    networks.create(box.engine, "mine")
    box.start("sleep", "60", name="user", network=("mine",))
    with pytest.raises(Conflict):
        networks.remove(box.engine, "mine")
    containers.remove(box.engine, "user", force=True)
    bridge = networks.get(box.engine, "mine").bridge
    networks.remove(box.engine, "mine")

    assert not os.path.exists(f"/sys/class/net/{bridge}")
    with pytest.raises(NetworkNotFound):
        networks.get(box.engine, "mine")


def test_a_session_is_a_namespace_for_as_long_as_it_is_open(box):
    with networks.session(box.engine, "build-1") as session:
        networks.sweep(box.engine)
        assert networks.endpoints(box.engine, networks.get(box.engine, "bridge")) == [("build-1", session.address)]
        shown = subprocess.run(
            ["nsenter", f"--net={session.path}", "ip", "-o", "addr"], capture_output=True, text=True, check=True
        )
        assert session.address in shown.stdout

    assert networks.endpoints(box.engine, networks.get(box.engine, "bridge")) == []


def test_two_state_folders_live_side_by_side(box, tmp_path):
    from suites.containers import add_busybox
    from teul.config import Settings
    from teul.engine import Engine

    other = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(tmp_path / "other")}))
    try:
        add_busybox(other)
        mine, theirs = networks.get(box.engine, "bridge"), networks.get(other, "bridge")
        assert (mine.subnet, mine.bridge) != (theirs.subnet, theirs.bridge)
        first = box.start("sleep", "60", name="same", network=())
        options = containers.ContainerOptions(image="busybox", command=("sleep", "60"), name="same")
        second = containers.start(other, containers.create(other, options).id)
        assert first.networks["bridge"].ip != second.networks["bridge"].ip
        containers.remove(other, "same", force=True)
        assert containers.get(box.engine, "same").is_running
    finally:
        networks.abandon(other)
        other.close()


@pytest.mark.parametrize("mode", ["none", "host", "bridge", "published", "named"])
def test_twenty_runs_leave_the_host_as_it_was(box, mode):
    networks.create(box.engine, "names")
    options = {
        "none": {"network": ("none",)},
        "host": {"network": ("host",)},
        "bridge": {"network": ()},
        "published": {"network": (), "publish": ("80",)},
        "named": {"network": ("names",), "aliases": ("db",)},
    }[mode]
    # The first brings up what stays: the bridge and its rules, as docker0 does.
    for command in (("true",), ("false",)):
        box.run(*command, **options)
    wait_until(
        lambda: not held(box.engine)["processes"] and not any("/" in name for name in held(box.engine)["interfaces"])
    )
    before = held(box.engine)
    for _ in range(20):
        box.run("true", **options)

    # The kernel takes a namespace's interfaces away a moment after its last process.
    try:
        wait_until(lambda: held(box.engine) == before)
    except AssertionError:
        assert held(box.engine) == before


def test_a_client_that_leaves_the_tear_down_for_later_loses_nothing(box):
    """`teul run -p` answers when the container has ended; the rules go a moment after that."""
    before = held(box.engine)
    networks.bring_up(box.engine, networks.get(box.engine, "bridge"))
    up = held(box.engine)
    env = {**os.environ, "TEUL_ROOT": box.engine.settings.root}
    command = [sys.executable, "-m", "teul.cli.main", "run", "--rm", "-p", "80", "busybox", "true"]
    subprocess.run(command, env=env, check=True)

    wait_until(lambda: held(box.engine)["rules"] == up["rules"])
    wait_until(lambda: not networks.endpoints(box.engine, networks.get(box.engine, "bridge")))
    assert before["processes"] == held(box.engine)["processes"]


def test_what_a_vanished_state_folder_left_is_taken_down(box, tmp_path):
    import shutil

    from teul.config import Settings
    from teul.engine import Engine

    other = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(tmp_path / "other")}))
    left = networks.get(other, "bridge")
    networks.bring_up(other, left)
    # Not `close`, which in tests takes the bridges along.
    other.db.close()
    assert networks.is_up(left)
    shutil.rmtree(tmp_path / "other")
    networks.create(box.engine, "mine")

    assert not networks.is_up(left)


def test_a_subnet_that_came_into_use_since_is_said(box):
    networks.create(box.engine, "mine", subnet="10.213.78.0/24")
    subprocess.run(["ip", "link", "add", "teultest0", "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", "10.213.78.9/24", "dev", "teultest0"], check=True)
        subprocess.run(["ip", "link", "set", "teultest0", "up"], check=True)
        with pytest.raises(Conflict, match=r"10\.213\.78\.0/24 overlaps"):
            box.run("true", network=("mine",))
    finally:
        subprocess.run(["ip", "link", "del", "teultest0"], check=True)
