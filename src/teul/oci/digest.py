"""`Digest`: the address of bytes. Must not read files.

Spec: image-spec v1.1 descriptor.md, "Digests".
"""

from __future__ import annotations

import hashlib

from teul.errors import InvalidDigest

_HEX = frozenset("0123456789abcdef")


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
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

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
