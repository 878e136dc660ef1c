"""Network namespaces, held by a file descriptor: the kernel takes one away when nobody holds it any more."""

from __future__ import annotations

import os

CLONE_NEWNET = 0x40000000


def open_network_namespace() -> int:
    """A new, empty network namespace; the descriptor is all that holds it.

    Others reach it as `/proc/<our pid>/fd/<descriptor>`. The calling thread is in it for a moment.

    Raises:
        OSError: not allowed.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), "unshare")
        try:
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            if libc.setns(own, CLONE_NEWNET) != 0:
                # A thread in the wrong network must not go on: everything it does next would happen elsewhere.
                os._exit(125)
    finally:
        os.close(own)
