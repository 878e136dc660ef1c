"""`inspect` of anything: containers, images, networks and volumes in the shapes that Docker's tools read.

Source: Docker Engine API, `GET /images/{name}/json`, `/networks/{id}`, `/volumes/{name}`.
"""

from __future__ import annotations

from teul.containers import rfc3339
from teul.errors import InvalidInput, NotFound, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from teul.engine import Engine
    from teul.engine.volumes import Volume
    from teul.images import Image
    from teul.network.netavark import Network

PSEUDO_NETWORKS = ("host", "none")


def describe(engine: Engine, kind: str, name: str, *, with_size: bool = False) -> dict[str, Any]:
    """The thing of *kind* ("container", "image", "network", "volume") called *name*.

    Raises:
        NotFound: there is none.
    """
    if kind == "container":
        from teul.engine import containers

        found = containers.inspect(engine, name)
        if with_size:
            used = engine.snapshots.usage_bytes(found["Id"])
            found |= {"SizeRw": used, "SizeRootFs": used + engine.images.get(found["Image"]).size_bytes}
        return found
    if kind == "image":
        return describe_image(engine, engine.images.get(name))
    if kind == "network":
        from teul.engine import networks

        if name in PSEUDO_NETWORKS:
            return _pseudo_network(engine, name)
        return describe_network(engine, networks.get(engine, name))
    if kind == "volume":
        from teul.engine import volumes

        return describe_volume(volumes.get(engine, name))
    raise InvalidInput(text('"{kind}" is not a valid value for --type', kind=kind))


def describe_image(engine: Engine, image: Image) -> dict[str, Any]:
    """An image, its config as the image has it."""
    config = image.config
    execution = config.config.to_json()
    made: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": [name.familiar for name in image.names],
        "RepoDigests": list(image.repo_digests),
        "Parent": "",
        "Comment": config.history[-1].comment if config.history else "",
        "Created": config.created or rfc3339(image.created_at),
        "DockerVersion": "",
        "Author": config.author,
        "Config": {"Env": None, "Cmd": None, "Entrypoint": None, "Labels": None, "WorkingDir": "", "User": ""}
        | execution,
        "Architecture": config.platform.architecture,
        "Os": config.platform.os,
        "Size": image.size_bytes,
        "GraphDriver": {"Name": engine.snapshots.kind, "Data": None},
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)},
        "Metadata": {"LastTagTime": rfc3339(image.created_at)},
    }
    if config.platform.variant:
        made["Variant"] = config.platform.variant
    return made


def describe_network(engine: Engine, network: Network) -> dict[str, Any]:
    """A network with the containers that are on it now."""
    from teul.engine import networks
    from teul.engine.containers.lookup import reread

    attached: dict[str, Any] = {}
    for container, address in networks.endpoints(engine, network):
        found = reread(engine, container)
        place = found.networks.get(network.name) if found is not None else None
        attached[container] = {
            "Name": found.name if found is not None else container[:12],
            "EndpointID": endpoint_id(network.id, container),
            "MacAddress": place.mac if place is not None else "",
            "IPv4Address": f"{address}/{network.prefix}",
            "IPv6Address": f"{place.address6}/{network.prefix6}" if place is not None and place.address6 else "",
        }
    blocks: list[dict[str, Any]] = []
    for subnet, gateway, ip_range in (
        (network.subnet, network.gateway, network.ip_range),
        (network.subnet6, network.gateway6, network.ip_range6),
    ):
        if subnet:
            block: dict[str, Any] = {"Subnet": subnet}
            if ip_range:
                block["IPRange"] = ip_range
            block["Gateway"] = gateway
            own = {name: word for name, word in network.reserved.items() if (":" in word) == (":" in subnet)}
            if own:
                block["AuxiliaryAddresses"] = own
            blocks.append(block)
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(network.created_at),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": bool(network.subnet6),
        "IPAM": {"Driver": "default", "Options": {}, "Config": blocks},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": attached,
        "Options": {"com.docker.network.bridge.name": network.bridge, **network.options},
        "Labels": dict(network.labels),
    }


def endpoint_id(network: str, container: str) -> str:
    """A stable id for a container's place on a network."""
    import hashlib

    return hashlib.sha256(f"{network}/{container}".encode()).hexdigest()


def describe_volume(volume: Volume) -> dict[str, Any]:
    return {
        "CreatedAt": rfc3339(float(int(volume.created_at))),
        "Driver": "local",
        "Labels": dict(volume.labels) or None,
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": dict(volume.options) or None,
        "Scope": "local",
    }


def pseudo_network_id(engine: Engine, name: str) -> str:
    """A stable id for `host` and `none`, which are no networks but are listed as such."""
    import hashlib

    return hashlib.sha256(f"{engine.settings.instance}/{name}".encode()).hexdigest()


def _pseudo_network(engine: Engine, name: str) -> dict[str, Any]:
    if name not in PSEUDO_NETWORKS:
        raise NotFound(name)
    return {
        "Name": name,
        "Id": pseudo_network_id(engine, name),
        "Scope": "local",
        "Driver": "null" if name == "none" else name,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": []},
        "Internal": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }
