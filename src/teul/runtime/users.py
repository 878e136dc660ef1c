"""Who a container's process is, and what its environment begins with. Must not trust what it reads in an image.

`/etc/passwd` and `/etc/group` are read inside the rootfs only: a link that leads out of it is followed inside it.

Spec: image-spec v1.1 config.md, "User"; Docker's rules where the spec is silent.
"""

from __future__ import annotations

from teul.errors import InvalidInput, UnsafePath, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from dataclasses import dataclass
else:
    from teul.values import dataclass

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ID_LIMIT = 1 << 31
FILE_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class User:
    """Numbers for the kernel, and what the environment wants; `name` is "" for a number that has no name."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    name: str


def resolve_user(rootfs: str, user: str, *, additional: Iterable[str] = ()) -> User:
    """The user that *user* means in *rootfs*: "" (root), "name", "uid", "name:group", "uid:gid" and mixtures.

    *additional* are groups by name or number (`--group-add`).

    Raises:
        InvalidInput: with Docker's words, when a name is not in the files or a number is out of range.
    """
    wanted_user, _, wanted_group = user.partition(":")
    number = _number(wanted_user)
    uid, gid, home, name = 0, 0, "/", ""
    entry = None
    for fields in _entries(rootfs, "/etc/passwd", 6):
        if fields[0] == wanted_user if wanted_user and number is None else fields[2] == str(number or 0):
            entry = fields
            break
    if entry is not None:
        uid = _id(entry[2])
        gid = _id(entry[3])
        home, name = entry[5] or "/", entry[0]
    elif wanted_user:
        if number is None:
            raise InvalidInput(
                text("unable to find user {user}: no matching entries in passwd file", user=wanted_user),
                hint=text("add it to the image (`RUN useradd {user}`), or give a number", user=wanted_user),
            )
        uid = _checked(number)
    groups: list[int] = []
    if wanted_group:
        gid = _group(rootfs, wanted_group)
    elif name:
        groups = [_id(fields[2]) for fields in _entries(rootfs, "/etc/group", 4) if name in fields[3].split(",")]
    for extra in additional:
        value = _group(rootfs, extra)
        if value not in groups:
            groups.append(value)
    return User(uid, gid, tuple(groups), home, name)


def image_environment(
    config_env: Sequence[str], extra: Sequence[str] = (), *, hostname: str = "", home: str = "", terminal: bool = False
) -> tuple[str, ...]:
    """The environment of a process: Docker's own first, then the image's, then *extra*; a later one wins in place.

    `PATH` has Docker's default, `HOSTNAME` and `HOME` are set unless given, `TERM` on a terminal only. An entry without
    `=` takes the variable away.
    """
    made = {"PATH": DEFAULT_PATH}
    if hostname:
        made["HOSTNAME"] = hostname
    if terminal:
        made["TERM"] = "xterm"
    for entry in (*config_env, *extra):
        name, equals, value = entry.partition("=")
        if equals:
            made[name] = value
        else:
            made.pop(name, None)
    if home and not made.get("HOME"):
        made["HOME"] = home
    return tuple(f"{name}={value}" for name, value in made.items())


def _group(rootfs: str, wanted: str) -> int:
    number = _number(wanted)
    for fields in _entries(rootfs, "/etc/group", 3):
        if fields[0] == wanted:
            return _id(fields[2])
    if number is None:
        raise InvalidInput(
            text("unable to find group {group}: no matching entries in group file", group=wanted),
            hint=text("add it to the image (`RUN groupadd {group}`), or give a number", group=wanted),
        )
    return _checked(number)


def _entries(rootfs: str, path: str, width: int) -> list[list[str]]:
    """The lines of a colon-separated file in the rootfs that have at least *width* fields; none when there is no file."""
    from teul.host.fs import read_in_root

    try:
        data = read_in_root(rootfs, path, FILE_LIMIT_BYTES)
    except (OSError, UnsafePath):
        return []
    made = []
    for line in data.decode(errors="replace").split("\n"):
        if line and line[0] != "#":
            fields = line.split(":")
            if len(fields) >= width:
                made.append(fields)
    return made


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() else None


def _id(word: str) -> int:
    number = _number(word)
    return number if number is not None and number < ID_LIMIT else 0


def _checked(number: int) -> int:
    if number >= ID_LIMIT:
        raise InvalidInput(text("uids and gids must be in range 0-2147483647"))
    return number
