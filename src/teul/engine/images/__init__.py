"""Use cases about images: get them (pull, bootstrap, load), name them, look at them, send them away (push, save).

Each verb is a module; this one only finds it, so that a `teul run` of an image that is here imports none.
"""

from __future__ import annotations

from teul.errors import ImageNotFound, PlatformMismatch
from teul.events import silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

    from teul.engine import Engine
    from teul.engine.images.looking import Past
    from teul.engine.images.pulling import Resolved
    from teul.events import Sink
    from teul.images import Image
    from teul.oci.digest import Digest


def pull(
    engine: Engine, reference: str, *, platform: str = "", keep_blobs: bool = False, events: Sink = silent
) -> Image:
    """Fetch an image from its registry, unpack it and give it its name. What is here already is not fetched.

    Args:
        platform: `os/arch[/variant]`; "" is this machine's.
        keep_blobs: keep the compressed layers beside the unpacked ones.
    Raises:
        ImageNotFound: the registry does not have it.
        PlatformMismatch: it is not for that platform; the message lists what there is.
        RegistryUnavailable, Denied, Corrupt.
        Cancelled: interrupted; the next pull goes on where this one stopped.
    """
    from teul.engine.images import pulling

    image = pulling.pull(engine, reference, platform=platform, keep_blobs=keep_blobs, events=events)
    _announce_pull(engine, reference)
    return image


def bring(
    engine: Engine,
    resolved: Resolved,
    *,
    events: Sink = silent,
    on_start: Callable[[Callable[[], None]], object] = lambda abort: None,
) -> Image:
    """Pull what `pulling.resolve` found before.

    Args:
        on_start: is given what another thread may call to end the transfers.
    Raises:
        As `pull`.
    """
    from teul.engine.images import pulling

    image = pulling.bring(engine, resolved, events=events, on_start=on_start)
    _announce_pull(engine, str(resolved.reference))
    return image


def _announce_pull(engine: Engine, reference: str) -> None:
    _announce(engine, "pull", reference, {"name": reference.partition("@")[0].rpartition(":")[0] or reference})


def _announce(engine: Engine, action: str, actor: str, attributes: Mapping[str, str]) -> None:
    from teul.engine.event_log import emit

    emit(engine, "image", action, actor, attributes)


def login(engine: Engine, server: str, *, username: str, password: str) -> str:
    """Check who one is with a registry, and remember it in docker's `config.json` or its credential helper.

    Returns: the helper's name, "" when the file has it.
    Raises:
        Unauthorized, RegistryUnavailable; nothing is kept then.
    """
    from teul.registry import RegistryClient, login
    from teul.registry.auth import Credentials

    settings = engine.settings
    environ = settings.environ or {}
    given = Credentials(username, password)
    with RegistryClient(
        environ=environ,
        docker_config=settings.docker_config,
        insecure=settings.insecure_registries,
        credentials=lambda domain: given,
    ) as client:
        client.check(login.domain_of(server))
    return login.store(settings.docker_config, server, given, environ)


def logout(engine: Engine, server: str) -> bool:
    """Forget who one is with a registry; False when nothing was known."""
    from teul.registry import login

    return login.erase(engine.settings.docker_config, server, engine.settings.environ or {})


def tags(engine: Engine, repository: str) -> list[str]:
    """All tags that the registry has of *repository*.

    Raises:
        NotFound, RegistryUnavailable, Denied.
    """
    from teul.engine.images.pulling import open_client
    from teul.oci.reference import Reference

    with open_client(engine) as client:
        return client.tags(Reference.parse(repository))


def ensure(
    engine: Engine, reference: str, *, platform: str = "", pull: str = "missing", events: Sink = silent
) -> Image:
    """The image that *reference* names, pulled when *pull* says so ("missing", "always", "never").

    Raises:
        ImageNotFound: not here and not to be had; the hint says how to go on.
        PlatformMismatch: what is here is for another platform than the one asked for.
    """
    if pull == "always":
        return _pull(engine, reference, platform=platform, events=events)
    image = engine.images.find(reference)
    if image is None:
        if pull == "never":
            raise ImageNotFound(reference)
        return _pull(engine, reference, platform=platform, events=events)
    if platform:
        from teul.oci.descriptor import Platform

        if not Platform.parse(platform).accepts(image.config.platform):
            if pull == "never":
                raise PlatformMismatch(reference, platform, str(image.config.platform))
            return _pull(engine, reference, platform=platform, events=events)
    return image


def push(
    engine: Engine,
    reference: str,
    *,
    compression: str = "",
    annotations: Mapping[str, str] | None = None,
    is_tagged: bool = True,
    events: Sink = silent,
) -> Digest:
    """Send an image to the registry that its name says; returns the digest of the manifest there.

    A blob that the registry has is not sent again; one that another of its repositories has is mounted. A layer whose
    compressed form is not kept is made again from its snapshot; what that gives is the same on every machine.

    Args:
        compression: "gzip" or "zstd" for the layers; "" leaves a manifest that a registry gave as it is where the
            target can have its blobs, and is gzip otherwise.
        annotations: added to the manifest (image-spec annotations.md).
        is_tagged: else the registry knows the manifest by its digest alone.
    Raises:
        ImageNotFound, InvalidInput (a name that is no tag), RegistryUnavailable, Denied.
    """
    from teul.engine.images import pushing

    digest = pushing.push(
        engine, reference, compression=compression, annotations=annotations, is_tagged=is_tagged, events=events
    )
    _announce(engine, "push", reference, {"name": reference})
    return digest


def tag(engine: Engine, source: str, target: str) -> None:
    """Give the image that *source* names one more name, taking that name from another image if need be.

    Raises:
        ImageNotFound, InvalidReference.
    """
    from teul.oci.reference import Reference

    image, name = engine.images.get(source), Reference.parse(target)
    engine.images.tag(image.id, name)
    _announce(engine, "tag", str(image.id), {"name": name.familiar})


def remove(engine: Engine, name: str, *, force: bool = False, prune: bool = True) -> tuple[str, ...]:
    """Take a name away, and the image with its last one; returns Docker's lines (`Untagged: …`, `Deleted: …`).

    Args:
        force: also when stopped containers use it, and all names of an id at once.
        prune: remove layers that nothing else needs at once.
    Raises:
        ImageNotFound.
        ImageInUse: a container uses it, or it has names in several repositories (an id, without *force*).
    """
    from teul.engine.images import removing

    return removing.remove(engine, name, force=force, prune=prune)


def save(engine: Engine, names: Sequence[str], write: Callable[[bytes], object], *, events: Sink = silent) -> None:
    """Write images as one tar that docker, podman, skopeo and containerd load. The same images give the same bytes.

    Args:
        names: images by name or id; one that is named keeps that name in the archive.
        write: takes the archive piece by piece.
    Raises:
        ImageNotFound.
    """
    from teul.engine.images import archiving

    archiving.save(engine, names, write, events=events)


def load(engine: Engine, source: IO[bytes] | str, *, events: Sink = silent) -> list[Image]:
    """Read what `save`, `docker save` or any OCI tool wrote: a stream (perhaps compressed), or a layout's folder.

    Raises:
        MalformedArchive, Corrupt: nothing of it is visible but the images before the damage.
    """
    from teul.engine.images import archiving

    images = archiving.load(engine, source, events=events)
    for image in images:
        _announce(engine, "load", str(image.id), {"name": str(image.id)})
    return images


def import_(
    engine: Engine,
    source: IO[bytes],
    name: str = "",
    *,
    message: str = "",
    changes: Sequence[str] = (),
    platform: str = "",
) -> Image:
    """Make an image of the file tree in a tar (perhaps compressed).

    Args:
        name: what it is to be called; "" for nothing.
        changes: Dockerfile instructions for its config.
        platform: `os/arch[/variant]`; "" is this machine's.
    Raises:
        MalformedLayer, UnsafePath, InvalidReference, InvalidInput, DockerfileError; nothing is left behind.
    """
    from teul.engine.images import importing

    image = importing.import_(engine, source, name, message=message, changes=changes, platform=platform)
    _announce(engine, "import", str(image.id), {"name": name or str(image.id)})
    return image


def export(engine: Engine, name: str, folder: str, *, compression: str = "gzip", events: Sink = silent) -> Digest:
    """Write an image as an OCI layout into *folder* (new or empty); returns the digest of its manifest, which is the
    one that `push` makes.

    Args:
        compression: "gzip", "zstd", or "" for none.
    Raises:
        ImageNotFound, AlreadyExists.
    """
    from teul.engine.images import archiving

    return archiving.export(engine, name, folder, compression=compression, events=events)


def history(engine: Engine, name: str) -> list[Past]:
    """How an image was made, newest line first.

    Raises:
        ImageNotFound.
    """
    from teul.engine.images import looking

    return looking.history(engine, name)


def bootstrap(engine: Engine, reference: str, *, mirror: str = "", events: Sink = silent) -> Image:
    """Make `debian:<suite>` or `python:<x.y>-slim` from Debian's signed packages and give it that name.

    Args:
        mirror: where the packages come from; "" means where the host itself gets Debian's.
    Raises:
        UnknownBase: Debian has no such thing; says what there is.
        BootstrapFailed: mmdebstrap, apt or pip ended badly; nothing is left behind.
        HostLacks: mmdebstrap is not installed, or we are not root.
    """
    from teul.engine.images import bootstrapping

    return bootstrapping.bootstrap(engine, reference, mirror=mirror, events=events)


_pull = pull
