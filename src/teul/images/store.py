"""`ImageStore`: which images there are, and by what names. Must not fetch them.

An image's bytes (config, manifest) are in the content store, its layers are snapshots, and its rows are in the
database: bytes first, row second. Everything here is safe for several processes at once.
"""

from __future__ import annotations

import time

from teul.errors import BlobNotFound, ImageNotFound, InvalidInput, InvalidReference, text
from teul.oci.digest import Digest
from teul.oci.image import ImageConfig
from teul.oci.reference import Reference
from teul.plain_json import dumps, loads
from teul.state import images as rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from dataclasses import dataclass

    from teul.content.protocol import Store
    from teul.snapshots.protocol import Snapshotter
    from teul.state.db import Database
else:
    from teul.values import dataclass

ORIGIN_LABEL = "io.teul.origin"
"""On images that no registry gave: how they were made (`bootstrap debian bookworm`)."""
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of one platform. `id` is the digest of `config_bytes`; `created_at` is when it came to this machine
    (seconds since 1970), not what the config says; `size_bytes` is the sum of its layers' files.
    """

    id: Digest
    config: ImageConfig
    config_bytes: bytes
    manifest: Digest | None
    names: tuple[Reference, ...]
    repo_digests: tuple[str, ...]
    created_at: float
    size_bytes: int

    @property
    def origin(self) -> str:
        """What made it when no registry did, else ""."""
        return self.config.config.labels.get(ORIGIN_LABEL, "")

    @property
    def name(self) -> str:
        """Its first name as Docker prints it, else its short id."""
        return self.names[0].familiar if self.names else self.id.short


class ImageStore:
    """Images of one state folder."""

    def __init__(self, db: Database, store: Store, snapshots: Snapshotter) -> None:
        self._db = db
        self._store = store
        self._snapshots = snapshots

    def add(
        self,
        config: bytes,
        *,
        manifest: bytes | None = None,
        names: Iterable[Reference] = (),
        repository_digest: tuple[str, Digest] | None = None,
    ) -> Image:
        """Make an image known whose layers are here. Idempotent: an image that exists is kept, with its date.

        Args:
            config: the document whose digest is the image's id.
            manifest: its manifest as a registry or an archive gave it.
            names: tags to point at it, taken away from other images.
            repository_digest: (repository in full, digest) as the registry knows it.
        Raises:
            InvalidDocument: *config* is not an image config.
            SnapshotNotFound: a layer is missing.
        """
        parsed = ImageConfig.parse(config)
        references = tuple(names)
        for reference in references:
            _check_tag(reference)
        # Within the transaction: gc holds the same lock while it marks and sweeps, so it sees both or neither.
        with self._db:
            layers = self._snapshots.resolve(parsed.diff_ids)
            image = self._store.put(config)
            manifest_digest = self._store.put(manifest) if manifest is not None else None
            size_bytes = sum(self._snapshots.layer(layer).size_bytes for layer in layers)
            now = time.time()
            if (
                not rows.insert(
                    self._db,
                    image,
                    manifest=manifest_digest or "",
                    data=dumps({"size_bytes": size_bytes}),
                    created_at=now,
                )
                and manifest_digest
            ):
                rows.set_manifest(self._db, image, manifest_digest)
            for reference in references:
                rows.set_name(self._db, str(reference), image, at=now)
            if repository_digest is not None:
                rows.add_digest(self._db, repository_digest[0], repository_digest[1], image)
        return self._by_id(image)

    def get(self, name: str) -> Image:
        """Find an image by `name[:tag]`, `name@digest`, id, or the beginning of its id.

        Raises:
            ImageNotFound: there is none.
            InvalidInput: several ids begin so.
        """
        found = self.find(name)
        if found is None:
            raise ImageNotFound(name)
        return found

    def find(self, name: str) -> Image | None:
        """As `get`, but None when there is none.

        Raises:
            InvalidInput: several ids begin so.
        """
        row = None
        try:
            reference = Reference.parse(name)
        except InvalidInput:
            # Not a name that a person may give an image (`sha256:…`, `Python`); it may still be an id.
            pass
        else:
            if reference.digest:
                row = rows.by_digest(self._db, reference.repository, reference.digest)
            else:
                row = rows.by_name(self._db, str(reference))
        if row is None:
            prefix = name.removeprefix("sha256:")
            if prefix and len(prefix) <= 64 and _HEX.issuperset(prefix):
                candidates = rows.by_prefix(self._db, f"sha256:{prefix}")
                if len(candidates) > 1:
                    raise InvalidInput(text("image id `{prefix}`: several images begin so", prefix=prefix))
                row = candidates[0] if candidates else None
        return None if row is None else self._load(row)

    def tag(self, image: Digest, reference: Reference) -> None:
        """Point *reference* at *image*, taking it from another image if need be.

        Raises:
            InvalidReference: it has a digest.
            ImageNotFound: no such image.
        """
        _check_tag(reference)
        with self._db:
            if rows.by_id(self._db, image) is None:
                raise ImageNotFound(image)
            rows.set_name(self._db, str(reference), image, at=time.time())

    def untag(self, reference: Reference) -> bool:
        """Take a name away; False when it was nobody's. The image stays."""
        return rows.delete_name(self._db, str(reference))

    def add_repository_digest(
        self, image: Digest, repository: str, digest: Digest, *, manifest: bytes | None = None
    ) -> None:
        """Remember that *repository* has *image* under *digest*; a *manifest* becomes the image's when it had none."""
        with self._db:
            if manifest is not None:
                rows.fill_manifest(self._db, image, self._store.put(manifest))
            rows.add_digest(self._db, repository, digest, image)

    def remove(self, image: Digest) -> None:
        """Forget *image* with all its names; what nobody else needs is left to gc. Idempotent."""
        rows.delete(self._db, image)

    def list(self) -> list[Image]:
        """All images, newest first."""
        names: dict[str, list[str]] = {}
        for name, image in rows.all_names(self._db):
            names.setdefault(image, []).append(name)
        digests: dict[str, list[tuple[str, str]]] = {}
        for repository, digest, image in rows.all_digests(self._db):
            digests.setdefault(image, []).append((repository, digest))
        made = []
        for row in rows.every(self._db):
            try:
                made.append(self._make(row, names.get(row[0], []), digests.get(row[0], [])))
            except BlobNotFound:
                if rows.by_id(self._db, row[0]) is not None:
                    raise
                # Another process removed the image between the two looks.
        return made

    def layers(self, image: Image) -> tuple[str, ...]:
        """The names of its layers for the snapshotter, bottom first.

        Raises:
            SnapshotNotFound: one is missing (`teul system fsck` says more).
        """
        return self._snapshots.resolve(image.config.diff_ids)

    def _by_id(self, image: str) -> Image:
        row = rows.by_id(self._db, image)
        if row is None:
            raise ImageNotFound(image)
        return self._load(row)

    def _load(self, row: rows.Row) -> Image:
        return self._make(row, rows.names(self._db, row[0]), rows.digests(self._db, row[0]))

    def _make(self, row: rows.Row, names: Iterable[str], digests: Iterable[tuple[str, str]]) -> Image:
        image, manifest, data, created_at = row
        config = self._store.read(Digest(image))
        return Image(
            id=Digest(image),
            config=ImageConfig.parse(config),
            config_bytes=config,
            manifest=Digest(manifest) if manifest else None,
            names=tuple(Reference.parse(name) for name in names),
            repo_digests=tuple(
                f"{Reference.parse(repository).familiar_repository}@{digest}" for repository, digest in digests
            ),
            created_at=created_at,
            size_bytes=int(loads(data).get("size_bytes", 0)),
        )


def _check_tag(reference: Reference) -> None:
    if reference.digest or not reference.tag:
        raise InvalidReference(str(reference), text("a name for an image has a tag and no digest"))
