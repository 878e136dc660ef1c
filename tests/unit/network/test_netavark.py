"""What netavark is told. Source: netavark's `network_options` (types.rs)."""

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
