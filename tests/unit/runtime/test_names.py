"""`/etc/hosts` and `/etc/resolv.conf` of a container."""

import pytest

from teul.errors import InvalidInput
from teul.runtime.names import LOCAL_HOSTS, hosts_text, resolv_conf_text, write_name_files


def test_hosts_have_the_loopback_what_was_added_and_the_container_itself():
    made = hosts_text(
        [("172.20.0.2", ["web"])], extra=["db:10.0.0.1", "gw=host-gateway", "v6:[::1]"], gateway="172.20.0.1"
    )

    assert made == LOCAL_HOSTS + "10.0.0.1\tdb\n172.20.0.1\tgw\n::1\tv6\n172.20.0.2\tweb\n"


def test_a_host_without_an_address_is_refused():
    with pytest.raises(InvalidInput):
        hosts_text(extra=["db"])


@pytest.fixture
def conf(tmp_path):
    def make(content):
        path = tmp_path / "resolv.conf"
        path.write_text(content)
        return str(path)

    return make


def test_the_hosts_servers_are_taken_over(conf):
    path = conf("# mine\nnameserver 10.0.0.53\nsearch a.example b.example\noptions ndots:2\n")

    assert resolv_conf_text(path=path) == "nameserver 10.0.0.53\nsearch a.example b.example\noptions ndots:2\n"


def test_servers_on_the_loopback_are_left_out_unless_the_network_is_shared(conf):
    path = conf("nameserver 127.0.0.53\nnameserver 10.0.0.53\n")

    assert resolv_conf_text(path=path) == "nameserver 10.0.0.53\n"
    assert resolv_conf_text(path=path, shares_network=True) == "nameserver 127.0.0.53\nnameserver 10.0.0.53\n"


def test_what_is_given_replaces_the_hosts(conf):
    path = conf("nameserver 10.0.0.53\nsearch a.example\n")

    assert resolv_conf_text(servers=["1.1.1.1"], search=["."], path=path) == "nameserver 1.1.1.1\n"


def test_the_files_are_readable_by_everyone_whatever_the_umask(tmp_path):
    import os
    import stat

    before = os.umask(0o077)
    try:
        mounts = write_name_files(str(tmp_path), hostname="h", hosts="x", resolv_conf="y", skip=["/etc/hosts"])
    finally:
        os.umask(before)

    assert [mount.target for mount in mounts] == ["/etc/hostname", "/etc/resolv.conf"]
    assert {0o644} == {stat.S_IMODE(os.stat(mount.source).st_mode) for mount in mounts}
