"""What netavark is told. Source: netavark's `network_options` (types.rs)."""

import os

from teul.network import netavark
from teul.network.netavark import Endpoint, Network, needs_tear_down, options_for
from teul.network.ports import PortMapping

NETWORK = Network(id="f" * 64, name="n1", bridge="tl0", subnet="172.20.0.0/20", gateway="172.20.0.1")
PLACE = Endpoint(network="n1", address="172.20.0.2", aliases=("db",))


def test_the_options_name_addresses_aliases_and_ports():
    made = options_for("a" * 64, "web", [(NETWORK, PLACE)], [PortMapping(80, 8080, "127.0.0.1")], mtu=1400)

    assert made["networks"]["tl0"] == {
        "static_ips": ["172.20.0.2"],
        "aliases": ["db", "a" * 12],
        "interface_name": "eth0",
        "static_mac": "02:42:ac:14:00:02",
    }
    assert made["port_mappings"] == [
        {"container_port": 80, "host_port": 8080, "host_ip": "127.0.0.1", "protocol": "tcp", "range": 1}
    ]
    info = made["network_info"]["tl0"]
    assert info["subnets"] == [{"subnet": "172.20.0.0/20", "gateway": "172.20.0.1"}]
    assert info["options"] == {"metric": "100", "mtu": "1400"}
    assert (info["network_interface"], info["dns_enabled"], info["internal"]) == ("tl0", True, False)


def test_only_ports_and_names_outlive_a_namespace():
    from teul.values import replace

    plain = replace(NETWORK, dns=False)

    assert not needs_tear_down(options_for("a", "a", [(plain, PLACE)], []))
    assert needs_tear_down(options_for("a", "a", [(plain, PLACE)], [PortMapping(80, 80)]))
    assert needs_tear_down(options_for("a", "a", [(NETWORK, PLACE)], []))


def waiting(*words, script="import sys; print('ready', flush=True); sys.stdin.read()"):
    """A program that says `ready` and ends with its input; *words* are in its command line."""
    import subprocess
    import sys

    made = subprocess.Popen([sys.executable, "-c", script, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert made.stdout.readline() == b"ready\n"
    return made


def test_an_orphaned_set_up_is_waited_for_and_its_mark_goes(tmp_path):
    import threading

    folder = tmp_path / "networks"
    (folder / netavark.UNDER_WAY).mkdir(parents=True)
    with waiting("setup", str(folder)) as orphan:
        (folder / netavark.UNDER_WAY / "4194305.3").touch()
        (folder / netavark.UNDER_WAY / f"{os.getpid()}.3").touch()
        found = []

        def wait():
            netavark.wait_for_orphans(str(folder))
            found.append(orphan.poll())

        thread = threading.Thread(target=wait)
        thread.start()
        orphan.stdin.close()
        thread.join()

    assert found == [0]
    assert os.listdir(folder / netavark.UNDER_WAY) == [f"{os.getpid()}.3"]


def test_a_set_up_whose_starter_waits_is_no_orphan(tmp_path):
    with (
        waiting("setup", str(tmp_path), f"/proc/{os.getpid()}/fd/3") as ours,
        waiting("teardown", str(tmp_path)) as other,
    ):
        assert netavark._orphan(ours.pid, str(tmp_path)) == -1
        assert netavark._orphan(other.pid, str(tmp_path)) == -1
        assert netavark._orphan(ours.pid, "/elsewhere") == -1


def test_nothing_under_way_is_nothing_to_wait_for(tmp_path):
    netavark.wait_for_orphans(str(tmp_path / "none"))

    (tmp_path / netavark.UNDER_WAY).mkdir()
    netavark.wait_for_orphans(str(tmp_path))


def test_only_the_folders_own_dns_server_is_reminded(tmp_path):
    names = tmp_path / "aardvark-dns"
    assert not netavark.remind_dns(str(tmp_path))
    names.mkdir()
    (names / netavark.DNS_PID).write_text(str(os.getpid()))
    # It would end us.
    assert not netavark.remind_dns(str(tmp_path))

    script = """import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
print('ready', flush=True)
print(signal.sigwait([signal.SIGHUP]) == signal.SIGHUP)"""
    with waiting(str(names), script=script) as server:
        (names / netavark.DNS_PID).write_text(str(server.pid))
        assert netavark.remind_dns(str(tmp_path))
        assert server.stdout.read() == b"True\n"


def test_a_network_that_is_no_more_has_no_names(tmp_path):
    names = tmp_path / "aardvark-dns"
    netavark.forget_names(str(tmp_path), "gone")
    names.mkdir()
    (names / "gone").touch()
    (names / "other").touch()

    netavark.forget_names(str(tmp_path), "gone")

    assert os.listdir(names) == ["other"]
