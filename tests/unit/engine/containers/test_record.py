"""A container as it is remembered."""

from teul.engine.containers.record import Container
from teul.network.netavark import Endpoint
from teul.network.ports import PortMapping
from teul.runtime.spec import Limits, Rlimit
from teul.volumes import MountPoint

FULL = Container(
    id="a" * 64,
    name="web",
    image="sha256:" + "b" * 64,
    image_name="app:1",
    status="running",
    created_at=12.5,
    entrypoint=("sh", "-c"),
    command=("true",),
    env=("A=1",),
    labels={"x": "y"},
    mounts=(MountPoint(kind="bind", source="/srv", target="/data", options=("rprivate",)),),
    places=(Endpoint(network="n1", address="10.0.0.2", gateway="10.0.0.1", aliases=("db",)),),
    publish=(PortMapping(80),),
    ports=(PortMapping(80, 8080),),
    limits=Limits(memory_bytes=1 << 30, cpus=0.5),
    ulimits=(Rlimit("nofile", 1, 2),),
    stop_timeout_s=3,
    pid=42,
)


def test_what_is_written_is_read_again():
    assert Container.from_row(FULL.to_row()) == FULL


def test_a_plain_container_takes_few_bytes():
    plain = Container(id="a" * 64, name="web", image="i", image_name="app")

    assert plain.data() == '{"image_name":"app"}'
    assert plain == Container.from_row(plain.to_row())


def test_its_networks_are_known_by_name():
    assert FULL.networks["n1"].ip == "10.0.0.2"
    assert FULL.networks["n1"].gateway == "10.0.0.1"
    assert FULL.args == ("sh", "-c", "true")
