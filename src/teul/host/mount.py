"""Mounting: `Mount` values made real through the kernel's calls. Must not decide what is mounted where.

Overlays go through the new mount API (`fsopen`, one `lowerdir+` for each layer: 500 layers mount in 7 ms), because
`mount(2)` takes one page of options in all, about 50 layers by absolute paths. A kernel before 6.8 gets `mount(2)`
with `/proc/self/fd/N` in place of the paths, which fits some 200 layers without a change of the working folder
(that belongs to all threads).
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from teul.errors import HostLacks, MountFailed, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Iterator, Sequence
    from typing import Any

    from teul.oci.runtime import Mount

MS_REMOUNT, MS_BIND, MS_REC = 0x20, 0x1000, 0x4000
SYS_OPEN_TREE, SYS_MOVE_MOUNT = 428, 429
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
CLONE_NEWNS = 0x00020000
_FLAGS = {
    "ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "sync": 16, "remount": MS_REMOUNT, "mand": 64, "dirsync": 128,
    "nosymfollow": 256, "noatime": 1024, "nodiratime": 2048, "bind": MS_BIND, "rbind": MS_BIND | MS_REC,
    "silent": 0x8000, "relatime": 1 << 21, "strictatime": 1 << 24, "lazytime": 1 << 25,
}  # fmt: skip
_CLEARS = {
    "rw": 1, "suid": 2, "dev": 4, "exec": 8, "async": 16, "nomand": 64, "atime": 1024, "diratime": 2048,
    "norelatime": 1 << 21, "nostrictatime": 1 << 24, "defaults": 0, "symfollow": 256,
}  # fmt: skip
_PROPAGATION = {
    "unbindable": 1 << 17, "runbindable": (1 << 17) | MS_REC, "private": 1 << 18, "rprivate": (1 << 18) | MS_REC,
    "slave": 1 << 19, "rslave": (1 << 19) | MS_REC, "shared": 1 << 20, "rshared": (1 << 20) | MS_REC,
}  # fmt: skip
_MOUNT_ATTRIBUTES = {1: 1, 2: 2, 4: 4, 8: 8, 1024: 0x10, 1 << 24: 0x20, 2048: 0x80, 256: 0x200000}
"""MS_ flag → MOUNT_ATTR_ flag, for `fsmount`."""
_SYS_MOVE_MOUNT, _SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 429, 430, 431, 432
_SET_FLAG, _SET_STRING, _CREATE = 0, 1, 6
_STRING_LIMIT = 255
"""Bytes that one `fsconfig` string may have (256 is EINVAL)."""
_PAGE = 4096


def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def parse_options(options: Sequence[str]) -> tuple[int, int, tuple[str, ...]]:
    """Sort fstab words into mount flags, a propagation flag (0: none asked for) and what is left for the filesystem."""
    flags = propagation = 0
    rest = []
    for option in options:
        if option in _FLAGS:
            flags |= _FLAGS[option]
        elif option in _CLEARS:
            flags &= ~_CLEARS[option]
        elif option in _PROPAGATION:
            propagation = _PROPAGATION[option]
        elif option:
            rest.append(option)
    return flags, propagation, tuple(rest)


def split_layers(value: str) -> list[str]:
    r"""The folders of a `lowerdir=` option, upper-most first; `\:` is a colon in a path."""
    if "\\" not in value:
        return value.split(":")
    folders = [""]
    position = 0
    while position < len(value):
        letter = value[position]
        if letter == "\\" and position + 1 < len(value):
            position += 1
            folders[-1] += value[position]
        elif letter == ":":
            folders.append("")
        else:
            folders[-1] += letter
        position += 1
    return folders


def join_layers(folders: Sequence[str]) -> str:
    """The reverse of `split_layers`."""
    return ":".join(folder.replace("\\", "\\\\").replace(":", "\\:") for folder in folders)


def mount(mount: Mount, target: str) -> None:
    """Mount *mount* on *target*, an existing folder (or file, for a bind of a file).

    A bind with `ro` or other flags is made read-only by a second step, as the kernel wants it.

    Raises:
        MountFailed: with the kernel's own words where it has some.
        HostLacks: this process may not mount, or the kernel does not know the filesystem.
    """
    flags, propagation, rest = parse_options(mount.options)
    if mount.type == "overlay":
        _mount_overlay(flags, rest, target)
    elif flags & MS_BIND or mount.type == "bind":
        flags |= MS_BIND
        _bind(mount.source, target, flags & (MS_BIND | MS_REC), rest)
        if flags & ~(MS_BIND | MS_REC):
            _classic("none", target, "bind", MS_REMOUNT | (flags & ~MS_REC), "")
    else:
        _classic(mount.source or mount.type, target, mount.type, flags, ",".join(rest))
    if propagation:
        _classic("none", target, "propagation", propagation, "")


def _bind(source: str, target: str, flags: int, words: Sequence[str]) -> None:
    """Three words of our own: `x-teul.of=PID` takes *source* from where that process sees it; `x-teul.below=PATH` binds
    what PATH is for a process that has *source* for its root;
    `x-teul.owners=UID:UID:GID:GID` exchanges owners (inside:outside) on the mount.
    """
    given = dict(word.partition("=")[::2] for word in words)
    if "x-teul.of" in given:
        _bind_of_process(int(given["x-teul.of"]), source, target)
        return
    held = -1
    try:
        if "x-teul.below" in given:
            from teul.host.fs import open_in_root

            held = open_in_root(source, given["x-teul.below"], os.O_PATH)
            source = f"/proc/self/fd/{held}"
        if "x-teul.owners" in given:
            from teul.host.idmap import bind_exchanged

            inside_uid, outside_uid, inside_gid, outside_gid = (int(word) for word in given["x-teul.owners"].split(":"))
            if (inside_uid, inside_gid) != (outside_uid, outside_gid):
                bind_exchanged(source, target, uids=(inside_uid, outside_uid), gids=(inside_gid, outside_gid))
                return
        _classic(source, target, "bind", flags, "")
    finally:
        if held != -1:
            os.close(held)


def _bind_of_process(pid: int, source: str, target: str) -> None:
    """Bind what *source* is for process *pid*: a copy of its mount is made in its namespace and put up in ours.

    Spec: open_tree(2), OPEN_TREE_CLONE; setns(2): a process of its own, because its root and working folder change.
    """
    import ctypes

    libc = _libc()
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        other = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        os.close(own)
        raise _failed("bind", target, error.errno or 0) from error
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if libc.setns(other, CLONE_NEWNS) == 0:
                tree = libc.syscall(
                    ctypes.c_long(SYS_OPEN_TREE), ctypes.c_int(-100), ctypes.c_char_p(os.fsencode(source)),
                    ctypes.c_uint(1 | os.O_CLOEXEC),
                )  # fmt: skip
                if tree >= 0 and libc.setns(own, CLONE_NEWNS) == 0:
                    moved = libc.syscall(
                        ctypes.c_long(SYS_MOVE_MOUNT), ctypes.c_int(tree), ctypes.c_char_p(b""), ctypes.c_int(-100),
                        ctypes.c_char_p(os.fsencode(target)), ctypes.c_uint(4),
                    )  # fmt: skip
                    code = 0 if moved == 0 else ctypes.get_errno()
                else:
                    code = ctypes.get_errno()
        finally:
            os._exit(code)
    os.close(own)
    os.close(other)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise _failed("bind", target, code)


def mount_inside(mounts: Sequence[Mount], root: str) -> None:
    """Mount each at its target as a process whose root folder is *root* would see it; a missing target is left out.

    Raises:
        As `mount`.
    """
    from teul.host.fs import open_in_root

    for each in mounts:
        try:
            descriptor = open_in_root(root, each.target, os.O_PATH)
        except FileNotFoundError:
            continue
        try:
            mount(each, f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)


def unmount(target: str, *, lazy: bool = False) -> None:
    """Unmount what is on *target* (the upper-most); a target where nothing is mounted is fine.

    Args:
        target: never followed when it is a link.
        lazy: detach at once, end when the last user is gone.

    Raises:
        MountFailed: busy.
    """
    import ctypes

    flags = UMOUNT_NOFOLLOW | (MNT_DETACH if lazy else 0)
    if _libc().umount2(ctypes.c_char_p(os.fsencode(target)), ctypes.c_int(flags)) != 0:
        code = ctypes.get_errno()
        if code not in (2, 22):  # ENOENT; EINVAL: not a mount point
            raise _failed("unmount", target, code)


def unmount_everywhere(target: str) -> None:
    """Detach *target* here, and where the machine's first process sees it: a monitor's command runs in a namespace whose
    changes nobody else sees.
    """
    unmount(target, lazy=True)
    try:
        if os.readlink("/proc/1/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
            return
        first = os.open("/proc/1/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    libc = _libc()
    child = os.fork()
    if child == 0:
        try:
            if libc.setns(first, CLONE_NEWNS) == 0:
                unmount(target, lazy=True)
        finally:
            os._exit(0)
    os.close(first)
    os.waitpid(child, 0)


def mounts_below(folder: str) -> list[str]:
    """Where something is mounted on *folder* or below it, as this process sees it, in the order of mounting.

    Spec: proc(5), /proc/pid/mountinfo.
    """
    made = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            place = line.split(" ", 5)[4]
            for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                place = place.replace(code, letter)
            if place == folder or place.startswith(f"{folder}/"):
                made.append(place)
    return made


@contextmanager
def mounted(mounts: Sequence[Mount], target: str) -> Iterator[str]:
    """Mount all of *mounts* below *target* (a mount's own target is resolved inside it), unmount them at the end."""
    from teul.host.fs import open_in_root

    done: list[str] = []
    try:
        for each in mounts:
            place = target
            if each.target not in ("", "/"):
                descriptor = open_in_root(target, each.target, os.O_PATH)
                try:
                    place = os.readlink(f"/proc/self/fd/{descriptor}")
                finally:
                    os.close(descriptor)
            mount(each, place)
            done.append(place)
        yield target
    finally:
        for place in reversed(done):
            try:
                unmount(place)
            except MountFailed:
                unmount(place, lazy=True)


def enter_mount_namespace() -> None:
    """Give this thread a mount namespace of its own that still hears of the host's mounts; its own stay inside.

    Raises:
        HostLacks: this process may not.
    """
    import ctypes

    if _libc().unshare(ctypes.c_int(CLONE_NEWNS)) != 0:
        raise _failed("namespace", "/", ctypes.get_errno())
    _classic("none", "/", "propagation", _PROPAGATION["rslave"], "")


def is_overlay_supported(folder: str) -> bool:
    """Whether an overlay with its upper folder below *folder* works here, tried for real; leaves nothing.

    Needs: the right to mount, whiteouts (character device 0/0) and `trusted.` attributes, and a filesystem that
    overlay accepts as upper (not another overlay, not NFS).
    """
    import stat
    import tempfile

    from teul.host.fs import remove_tree

    place = tempfile.mkdtemp(prefix="try-", dir=folder)
    try:
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(f"{place}/{name}")
        with open(f"{place}/lower/gone", "wb"):
            pass
        os.mknod(f"{place}/upper/white", stat.S_IFCHR, 0)
        os.setxattr(f"{place}/upper", "trusted.overlay.opaque", b"n")
        options = (f"lowerdir={place}/lower", f"upperdir={place}/upper", f"workdir={place}/work", *OVERLAY_OPTIONS)
        _mount_overlay(0, options, f"{place}/merged")
        try:
            os.unlink(f"{place}/merged/gone")
        finally:
            unmount(f"{place}/merged", lazy=True)
        return stat.S_ISCHR(os.lstat(f"{place}/upper/gone").st_mode)
    except (OSError, MountFailed, HostLacks):
        return False
    finally:
        remove_tree(place)


OVERLAY_OPTIONS = ("redirect_dir=off", "metacopy=off", "index=off", "xino=off")
"""What keeps an upper folder whole by itself: no reference to a lower inode, so that it is a layer as it stands.

A renamed lower folder then gives EXDEV, and programs copy.
"""


def _mount_overlay(flags: int, rest: tuple[str, ...], target: str) -> None:
    lower: list[str] = []
    others: list[tuple[str, str]] = []
    for option in rest:
        name, _, value = option.partition("=")
        if name == "lowerdir":
            lower += split_layers(value)
        else:
            others.append((name, value))
    held: list[int] = []

    def short(path: str) -> str:
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        held.append(descriptor)
        return f"/proc/self/fd/{descriptor}"

    try:
        if not _new_overlay(flags, lower, others, target, short):
            _old_overlay(flags, lower, others, target, short)
    except FileNotFoundError as error:
        raise MountFailed("overlay", target, text("folder `{path}` is missing", path=error.filename)) from error
    finally:
        for descriptor in held:
            os.close(descriptor)


def _new_overlay(flags: int, lower: list[str], others: list[tuple[str, str]], target: str, short: Any) -> bool:
    """Mount by the new API; False where the kernel has not got it or does not know `lowerdir+`."""
    import ctypes

    call = _libc().syscall
    context = call(ctypes.c_long(_SYS_FSOPEN), ctypes.c_char_p(b"overlay"), ctypes.c_uint(1))
    if context < 0:
        if ctypes.get_errno() in (1, 38):  # EPERM may be an old container's seccomp profile; mount(2) will tell
            return False
        raise _failed("overlay", target, ctypes.get_errno())

    def configure(command: int, key: bytes | None, value: bytes | None) -> int:
        return int(
            call(
                ctypes.c_long(_SYS_FSCONFIG),
                ctypes.c_int(context),
                ctypes.c_uint(command),
                ctypes.c_char_p(key),
                ctypes.c_char_p(value),
                ctypes.c_int(0),
            )
        )

    try:
        pairs = [("lowerdir+", path) for path in lower] + others
        for name, value in [("source", "overlay"), *pairs]:
            encoded = os.fsencode(value)
            if len(encoded) > _STRING_LIMIT or "\\" in value:  # the kernel takes backslashes for escapes
                encoded = short(value).encode()
            failed = (
                configure(_SET_STRING, name.encode(), encoded) if value else configure(_SET_FLAG, name.encode(), None)
            )
            if failed:
                code = ctypes.get_errno()
                said = _kernel_words(context)
                if code == 2:
                    said = text("folder `{path}` is missing", path=value)
                if name == "lowerdir+" and code == 22 and ("Unknown parameter" in said or not said):
                    if len(lower) <= 500:
                        return False
                    said = text("{count} layers, the kernel takes 500", count=len(lower))
                raise _failed("overlay", target, code, said)
        if configure(_CREATE, None, None):
            code = ctypes.get_errno()
            raise _failed("overlay", target, code, _kernel_words(context))
        attributes = 0
        for flag, attribute in _MOUNT_ATTRIBUTES.items():
            attributes |= attribute if flags & flag else 0
        made = call(ctypes.c_long(_SYS_FSMOUNT), ctypes.c_int(context), ctypes.c_uint(1), ctypes.c_uint(attributes))
        if made < 0:
            code = ctypes.get_errno()
            raise _failed("overlay", target, code, _kernel_words(context))
        try:
            moved = call(
                ctypes.c_long(_SYS_MOVE_MOUNT),
                ctypes.c_int(made),
                ctypes.c_char_p(b""),
                ctypes.c_int(-100),
                ctypes.c_char_p(os.fsencode(target)),
                ctypes.c_uint(4),  # MOVE_MOUNT_F_EMPTY_PATH
            )
            if moved != 0:
                raise _failed("overlay", target, ctypes.get_errno())
        finally:
            os.close(made)
    finally:
        os.close(context)
    return True


def _kernel_words(context: int) -> str:
    """What the filesystem wrote into its context: lines like `e overlay: ...`."""
    said = []
    while True:
        try:
            line = os.read(context, 1024)
        except OSError:
            break
        if not line:
            break
        said.append(line[2:].decode(errors="replace").strip())
    return "; ".join(said)


def _old_overlay(flags: int, lower: list[str], others: list[tuple[str, str]], target: str, short: Any) -> None:
    def written(paths: list[str], settings: list[tuple[str, str]]) -> str:
        words = ["lowerdir=" + ":".join(paths)] if paths else []
        return ",".join(words + [f"{name}={value}" if value else name for name, value in settings])

    data = written(lower, others)
    special = any(letter in path for path in [*lower, *(value for _, value in others)] for letter in ":,\\")
    if len(os.fsencode(data)) >= _PAGE or special:
        folders = {"upperdir", "workdir"}
        data = written(
            [short(path) for path in lower],
            [(name, short(value) if name in folders else value) for name, value in others],
        )
    if len(data) >= _PAGE:
        raise HostLacks(
            f"overlay mounts of {len(lower)} layers (Linux 6.8)", hint=text("build an image with fewer layers")
        )
    _classic("overlay", target, "overlay", flags, data)


def _classic(source: str, target: str, kind: str, flags: int, data: str) -> None:
    import ctypes

    failed = _libc().mount(
        ctypes.c_char_p(os.fsencode(source)),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_char_p(None if kind in ("bind", "propagation") else kind.encode()),
        ctypes.c_ulong(flags),
        ctypes.c_char_p(os.fsencode(data) if data else None),
    )
    if failed:
        raise _failed(kind, target, ctypes.get_errno(), f"{source}: {os.strerror(ctypes.get_errno())}")


def _failed(kind: str, target: str, code: int, said: str = "") -> Exception:
    if code == 1:
        return HostLacks("the right to mount (CAP_SYS_ADMIN)", hint=text("run as root"))
    if code == 19:
        return HostLacks(f"the filesystem `{kind}` in its kernel", hint=text("modprobe {kind}", kind=kind))
    return MountFailed(kind, target, said or os.strerror(code), errno=code)
