"""Idmapped mounts: a bind on which two owners are exchanged, so that what one user writes belongs to another on the disk.

Spec: mount_setattr(2), MOUNT_ATTR_IDMAP; user_namespaces(7), "User and group ID mappings".
"""

from __future__ import annotations

import os

from teul.errors import HostLacks, MountFailed, text

_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_CLONE, _RECURSIVE, _EMPTY_PATH, _CLOEXEC = 1, 0x8000, 0x1000, os.O_CLOEXEC
_MOVE_EMPTY_PATH = 4
_IDMAP = 0x00100000
_CLONE_NEWUSER = 0x10000000
_LAST = (1 << 32) - 2


def exchange_map(inside: int, outside: int) -> str:
    """The map on which *outside* on the disk is *inside* in the mount, and the other way about; all others are themselves.

    As `/proc/<pid>/uid_map` takes it: first id on the disk, first id in the mount, how many.
    """
    if inside == outside:
        return f"0 0 {_LAST + 1}\n"
    low, high = sorted((inside, outside))
    lines = [(0, 0, low), (low, high, 1), (low + 1, low + 1, high - low - 1), (high, low, 1)]
    lines.append((high + 1, high + 1, _LAST - high))
    return "".join(f"{first} {shown} {count}\n" for first, shown, count in lines if count > 0)


def bind_exchanged(source: str, target: str, *, uids: tuple[int, int], gids: tuple[int, int]) -> None:
    """Bind *source* on *target* with *uids* and *gids* (inside, outside) exchanged, and all that is mounted below it.

    Raises:
        HostLacks: the kernel, or a filesystem below *source*, has no idmapped mounts. MountFailed.
    """
    import ctypes

    class Attributes(ctypes.Structure):
        _fields_ = [
            ("set", ctypes.c_uint64), ("clear", ctypes.c_uint64),
            ("propagation", ctypes.c_uint64), ("namespace", ctypes.c_uint64),
        ]  # fmt: skip

    call = ctypes.CDLL(None, use_errno=True).syscall
    tree = call(
        ctypes.c_long(_SYS_OPEN_TREE), ctypes.c_int(-100), ctypes.c_char_p(os.fsencode(source)),
        ctypes.c_uint(_CLONE | _RECURSIVE | _CLOEXEC),
    )  # fmt: skip
    if tree < 0:
        raise _failed(target, ctypes.get_errno())
    try:
        namespace = _namespace(exchange_map(*uids), exchange_map(*gids))
        try:
            wanted = Attributes(_IDMAP, 0, 0, namespace)
            done = call(
                ctypes.c_long(_SYS_MOUNT_SETATTR), ctypes.c_int(tree), ctypes.c_char_p(b""),
                ctypes.c_uint(_EMPTY_PATH | _RECURSIVE), ctypes.byref(wanted),
                ctypes.c_size_t(ctypes.sizeof(Attributes)),
            )  # fmt: skip
        finally:
            os.close(namespace)
        if done != 0:
            code = ctypes.get_errno()
            if code in (22, 38):
                raise HostLacks(
                    text("idmapped mounts of the filesystem of `{path}`", path=source),
                    hint=text("leave --userns=keep-id out"),
                )
            raise _failed(target, code)
        moved = call(
            ctypes.c_long(_SYS_MOVE_MOUNT), ctypes.c_int(tree), ctypes.c_char_p(b""), ctypes.c_int(-100),
            ctypes.c_char_p(os.fsencode(target)), ctypes.c_uint(_MOVE_EMPTY_PATH),
        )  # fmt: skip
        if moved != 0:
            raise _failed(target, ctypes.get_errno())
    finally:
        os.close(tree)


def _namespace(uid_map: str, gid_map: str) -> int:
    """A user namespace with these maps, held by a descriptor; the process that made it has ended."""
    import ctypes

    unshare = ctypes.CDLL(None, use_errno=True).unshare
    ready, say_ready = os.pipe()
    go, say_go = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(say_go)
            if unshare(_CLONE_NEWUSER) == 0:
                os.write(say_ready, b"\0")
                os.read(go, 1)
        finally:
            os._exit(0)
    os.close(say_ready)
    os.close(go)
    try:
        if not os.read(ready, 1):
            raise HostLacks(text("user namespaces"))
        for name, content in (("uid_map", uid_map), ("gid_map", gid_map)):
            with open(f"/proc/{child}/{name}", "w") as file:
                file.write(content)
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready)
        os.close(say_go)
        os.waitpid(child, 0)


def _failed(target: str, code: int) -> MountFailed:
    return MountFailed("bind", target, os.strerror(code), errno=code)
