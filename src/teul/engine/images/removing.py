"""`rmi`: names go first, the image with its last one. Docker's rules and Docker's lines."""

from __future__ import annotations

from teul.engine.event_log import emit
from teul.errors import ImageInUse, InvalidInput, text
from teul.oci.reference import Reference
from teul.state import images as rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.images import Image


def remove(engine: Engine, name: str, *, force: bool = False, prune: bool = True) -> tuple[str, ...]:
    """See `teul.engine.images.remove`."""
    image = engine.images.get(name)
    reference = _as_name(image, name)
    lines: list[str] = []
    with engine.db:
        if reference is not None and len(image.names) > 1:
            engine.images.untag(reference)
            emit(engine, "image", "untag", str(image.id), {"name": str(image.id)})
            lines.append(f"Untagged: {reference.familiar}")
            if not any(other.repository == reference.repository for other in image.names if other != reference):
                for repository, digest in rows.delete_digests(engine.db, image.id, (reference.repository,)):
                    lines.append(f"Untagged: {Reference.parse(repository).familiar_repository}@{digest}")
            return tuple(lines)
        if reference is None and len({item.repository for item in image.names}) > 1 and not force:
            raise ImageInUse(image.id.short, text("several repositories (use --force to remove all its names)"))
        users = rows.users(engine.db, image.id)
        running = [row for row in users if row[2] in ("running", "paused")]
        blocking = running or (users if not force else [])
        if blocking and not (force and reference is not None):
            raise ImageInUse(
                image.name,
                text("container {name} ({status})", name=blocking[0][1] or blocking[0][0][:12], status=blocking[0][2]),
            )
        lines += [f"Untagged: {item.familiar}" for item in image.names]
        lines += [f"Untagged: {item}" for item in image.repo_digests]
        if running:
            # Its name goes, as was insisted on; the container keeps the image alive.
            for item in image.names:
                engine.images.untag(item)
            return tuple(lines)
        engine.images.remove(image.id)
        for _ in image.names:
            emit(engine, "image", "untag", str(image.id), {"name": str(image.id)})
        emit(engine, "image", "delete", str(image.id), {"name": str(image.id)})
        lines.append(f"Deleted: {image.id}")
    if prune:
        from teul.engine.system import collect

        here = set(image.config.diff_ids)
        reclaimed = collect(engine)
        lines += [f"Deleted: {layer}" for layer in reclaimed.layers if layer.partition("@")[0] in here]
    return tuple(lines)


def _as_name(image: Image, name: str) -> Reference | None:
    """*name* as one of the image's names, None when it is its id or a digest."""
    try:
        reference = Reference.parse(name)
    except InvalidInput:
        return None
    return reference if reference in image.names else None
