"""What options and an image come to; nothing is made."""

import pytest

from teul.engine.containers.creation import merge_environment, plan
from teul.engine.containers.options import ContainerOptions
from teul.errors import InvalidInput, NetworkNotFound, OptionUnsupported
from teul.images import Image
from teul.network.ports import PortMapping
from teul.oci.descriptor import Platform
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, ImageConfig
from teul.runtime.spec import Limits

CONFIG = ExecutionConfig(
    entrypoint=("/entry",),
    command=("serve",),
    env=("PATH=/bin", "A=1"),
    user="app",
    working_dir="/app",
    labels={"from": "image"},
    volumes=("/data",),
    exposed_ports=("80/tcp", "53/udp"),
    stop_signal="SIGINT",
)


@pytest.fixture
def planned(engine):
    def make(config=CONFIG, **options):
        image = Image(
            id=Digest.of(b"x"), config=ImageConfig(platform=Platform("linux", "amd64"), config=config), config_bytes=b"",
            manifest=None, names=(), repo_digests=(), created_at=0.0, size_bytes=0,
        )  # fmt: skip
        events = options.pop("events", lambda event: None)
        return plan(engine, ContainerOptions(image="app", **{"network": ("none",), **options}), image, events=events)

    return make


@pytest.mark.parametrize(
    ("options", "args"),
    [
        ({}, ("/entry", "serve")),
        ({"command": ("other", "x")}, ("/entry", "other", "x")),
        ({"entrypoint": ("/mine",)}, ("/mine",)),
        ({"entrypoint": ("/mine",), "command": ("a",)}, ("/mine", "a")),
        ({"entrypoint": ("",), "command": ("a",)}, ("a",)),
    ],
)
def test_the_command_line_is_dockers(planned, options, args):
    assert args == planned(**options).args


def test_no_command_is_said(planned):
    with pytest.raises(InvalidInput, match="no command specified"):
        planned(config=ExecutionConfig())


def test_the_options_win_over_the_image(planned):
    made = planned(
        env=("A=2", "PATH", "B=3"), user="0", working_dir="/w/../x", labels={"mine": "1"}, stop_signal="TERM"
    )

    assert (
        made.env, made.user, made.working_dir, made.labels, made.stop_signal,
    ) == (("A=2", "B=3"), "0", "/x", {"from": "image", "mine": "1"}, "TERM")  # fmt: skip


def test_a_variable_keeps_its_place():
    assert merge_environment(["A=1", "B=2"], ["C=3", "A=9"]) == ("A=9", "B=2", "C=3")


def test_a_volume_of_the_image_is_anonymous_unless_something_is_mounted_there(planned):
    assert [(mount.target, mount.anonymous) for mount in planned().mounts] == [("/data", True)]
    assert [(mount.target, mount.kind) for mount in planned(volumes=("/srv:/data",)).mounts] == [("/data", "bind")]


def test_two_mounts_at_one_place_are_refused(planned):
    with pytest.raises(InvalidInput, match="Duplicate mount point"):
        planned(volumes=("/a:/x", "/b:/x"))


def test_all_exposed_ports_can_be_published(planned):
    made = planned(network=("bridge",), publish_all=True, publish=("8080:80",))

    assert (PortMapping(80, 8080), PortMapping(53, 0, "", "udp")) == made.publish
    assert made.exposed_ports == ("53/udp", "80/tcp")


def test_ports_without_a_network_are_discarded_aloud(planned):
    heard = []

    assert planned(network=("host",), publish=("80:80",), events=heard.append).publish == ()
    assert [event.code for event in heard] == ["ports-discarded"]


def test_the_default_network_is_a_bridge(planned):
    made = planned(network=())

    assert (made.network_mode, list(made.networks)) == ("bridge", ["bridge"])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"network": ("no-such",)}, NetworkNotFound),
        ({"network": ("none", "host")}, InvalidInput),
        ({"network": ("bridge",), "aliases": ("x",)}, InvalidInput),
        ({"network": ("bridge",), "address": "10.0.0.9"}, InvalidInput),
        ({"network": ("pasta",)}, OptionUnsupported),
        ({"network": ("name=bridge,driver-opt=x",)}, OptionUnsupported),
        ({"working_dir": "relative"}, InvalidInput),
        ({"limits": Limits(memory_bytes=1 << 20)}, InvalidInput),
        ({"limits": Limits(cpus=10_000)}, InvalidInput),
        ({"limits": Limits(memory_bytes=1 << 30, memory_swap_bytes=1 << 20)}, InvalidInput),
        ({"name": "-bad"}, InvalidInput),
        ({"stop_signal": "SIGNOPE"}, InvalidInput),
        ({"cap_add": ("FLY",)}, InvalidInput),
        ({"devices": ("gpu",)}, InvalidInput),
        ({"device_rules": ("c 1:x rwm",)}, InvalidInput),
        ({"gpus": ("many",)}, InvalidInput),
        ({"cgroupns": "maybe"}, InvalidInput),
        ({"cgroup_parent": "/a/../../b"}, InvalidInput),
        ({"cgroup_parent": "user.slice"}, OptionUnsupported),
        ({"runtime": "nope"}, InvalidInput),
        ({"limits": Limits(memory_swap_bytes=1 << 30)}, InvalidInput),
        ({"limits": Limits(cpus=1, cpu_quota_us=5000)}, InvalidInput),
        ({"limits": Limits(io_weight=5)}, InvalidInput),
        ({"oom_score_adj": 2000}, InvalidInput),
        ({"stop_timeout_s": -3}, InvalidInput),
        ({"ipc": "sometimes"}, InvalidInput),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(planned, options, error):
    with pytest.raises(error):
        planned(**options)


def test_a_user_defined_network_takes_aliases_and_an_address(engine, planned):
    from teul.engine import networks

    networks.create(engine, "mine", subnet="10.211.7.0/24")
    made = planned(network=("name=mine,alias=db,alias=store,ip=10.211.7.9",))

    assert (made.networks["mine"].aliases, made.networks["mine"].requested_address) == (("db", "store"), "10.211.7.9")


def test_flags_for_one_network_go_to_the_first(engine, planned):
    from teul.engine import networks

    for name in ("one", "two"):
        networks.create(engine, name)
    made = planned(network=("one", "name=two,alias=b"), aliases=("a",), mac_address="02:00:00:00:00:07")

    assert [(place.network, place.aliases, place.requested_mac) for place in made.places] == [
        ("one", ("a",), "02:00:00:00:00:07"),
        ("two", ("b",), ""),
    ]


@pytest.mark.parametrize(
    ("network", "options", "said"),
    [
        (("mine", "host"), {}, "cannot attach both user-defined and non-user-defined"),
        (("mine", "mine"), {}, "network mine is specified multiple times"),
        (("name=mine,foo=bar",), {}, "invalid field key foo"),
        (("mine,alias=x",), {}, "invalid field mine"),
        (("alias=x",), {}, "network name/id is not specified"),
        (("name=mine,alias=x",), {"aliases": ("y",)}, "cannot specify both --network-alias and per-network alias"),
        (("name=mine,ip=10.211.7.9",), {"address": "10.211.7.8"}, "cannot specify both --ip and per-network IPv4"),
        (("bridge",), {"address": "10.211.7.8"}, "supported on user defined networks only"),
        (("mine",), {"mac_address": "02:00"}, "is not a valid mac address"),
    ],
)
def test_networks_that_cannot_be_are_refused_in_dockers_words(engine, planned, network, options, said):
    from teul.engine import networks

    networks.create(engine, "mine", subnet="10.211.7.0/24")
    with pytest.raises(InvalidInput, match=said):
        planned(network=network, **options)


def test_ports_conflict_with_anothers_network(planned, engine):
    with pytest.raises(Exception, match="no such container"):
        planned(network=("container:none",), publish=("80",))
