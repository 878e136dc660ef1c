"""Extended attributes that a layer may set. Must not let one through that overlay or the host's policy obeys."""

from __future__ import annotations

import os


def set_attribute(target: int | bytes, key: bytes, value: bytes) -> None:
    """Set what a layer may set: never `trusted.` (overlay obeys it), nor what belongs to the host's policy."""
    if key == b"security.capability" or key.startswith(b"system.posix_acl_"):
        pass
    elif b"\0" in key or not key.startswith(b"user.") or key.startswith(b"user.overlay."):
        return
    try:
        if isinstance(target, int):
            os.setxattr(target, key, value)
        else:
            os.setxattr(target, key, value, follow_symlinks=False)
    except OSError as error:
        # Not on this filesystem, or not on this kind of inode: as Docker, go on without.
        if error.errno not in (1, 22, 95):
            raise


def copied_attributes(full: bytes) -> dict[bytes, bytes]:
    return {
        os.fsencode(name): os.getxattr(full, name, follow_symlinks=False)
        for name in os.listxattr(full, follow_symlinks=False)
        if not name.startswith(("trusted.", "user.overlay."))
    }
