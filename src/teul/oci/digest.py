"""`Digest`: the address of bytes. Must not read files.

Spec: image-spec v1.1 descriptor.md, "Digests".
"""

from __future__ import annotations

import sys

from teul.errors import InvalidDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash

_HEX = frozenset("0123456789abcdef")
SMALL_BYTES = 1 << 18


def new_sha256(size_bytes: int) -> _Hash:
    """A SHA-256 for about so many bytes.

    OpenSSL's is several times faster, but it takes 2 ms to load, which a `teul run` that reads one image config does
    not have; for little data Python's own is as good.
    """
    if size_bytes <= SMALL_BYTES and "hashlib" not in sys.modules:
        try:
            from _sha256 import sha256 as small  # type: ignore[import-not-found]
        except ImportError:
            try:
                from _sha2 import sha256 as small  # type: ignore[import-not-found]
            except ImportError:
                small = None
        if small is not None:
            made: _Hash = small()
            return made
    from hashlib import sha256

    return sha256()


class Digest(str):
    """`sha256:<64 hex>`; a string, so it goes into JSON, SQL and paths as it is. Make one with `parse` or `of`."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: str) -> Digest:
        """Check *value*; only sha256 is accepted.

        Raises:
            InvalidDigest: not `sha256:` and 64 lower-case hexadecimal digits.
        """
        if value[:7] != "sha256:" or len(value) != 71 or not _HEX.issuperset(value[7:]):
            raise InvalidDigest(value)
        return cls(value)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The digest of *data*."""
        made = new_sha256(len(data))
        made.update(data)
        return cls("sha256:" + made.hexdigest())

    @classmethod
    def from_hex(cls, hexdigest: str) -> Digest:
        """From what `hashlib`'s `hexdigest()` gives."""
        return cls.parse("sha256:" + hexdigest)

    @property
    def hex(self) -> str:
        """The 64 digits."""
        return self[7:]

    @property
    def short(self) -> str:
        """The first 12 digits, as Docker prints an id."""
        return self[7:19]


def chain_id(diff_ids: tuple[Digest, ...] | list[Digest]) -> Digest:
    """The digest that names a stack of layers, bottom first; at least one layer.

    Spec: image-spec v1.1 config.md, "Layer ChainID".
    """
    chain = diff_ids[0]
    for diff_id in diff_ids[1:]:
        chain = Digest.of(f"{chain} {diff_id}".encode())
    return chain
