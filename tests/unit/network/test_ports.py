"""`-p` words and the PORTS column."""

import pytest

from teul.errors import InvalidInput, OptionUnsupported
from teul.network.ports import PortMapping, parse_exposed, parse_publish, show_ports


@pytest.mark.parametrize(
    ("word", "mappings"),
    [
        ("80", [PortMapping(80)]),
        ("8080:80", [PortMapping(80, 8080)]),
        ("8080:80/udp", [PortMapping(80, 8080, "", "udp")]),
        ("127.0.0.1:8080:80", [PortMapping(80, 8080, "127.0.0.1")]),
        ("127.0.0.1::80", [PortMapping(80, 0, "127.0.0.1")]),
        ("8000-8001:80-81", [PortMapping(80, 8000), PortMapping(81, 8001)]),
        ("0:80", [PortMapping(80)]),
    ],
)
def test_published_ports(word, mappings):
    assert mappings == list(parse_publish(word))


@pytest.mark.parametrize(
    "word", ["", "x", "1:2:3:4", "70000:80", "80:0", "80-79", "8000-8002:80-81", "999.1.1.1:80:80", "80/icmp", "a:80"]
)
def test_wrong_ports_are_refused(word):
    with pytest.raises(InvalidInput):
        parse_publish(word)


def test_an_ipv6_address_is_refused_by_name():
    with pytest.raises(OptionUnsupported):
        parse_publish("[::1]:80:80")


def test_exposed_ports_have_a_protocol():
    assert parse_exposed("80") == ("80/tcp",)
    assert parse_exposed("53-54/udp") == ("53/udp", "54/udp")


def test_ports_are_shown_as_docker_shows_them():
    mappings = [PortMapping(81, 8081), PortMapping(80, 8080), PortMapping(53, 53, "127.0.0.1", "udp")]

    assert show_ports(mappings, ["443/tcp", "80/tcp"]) == "0.0.0.0:8080-8081->80-81/tcp, 127.0.0.1:53->53/udp, 443/tcp"
