"""Rules that keep the containers of one bridge from those of another. One door to `iptables`; must not know networks.

Two chains of our own, shared by all state folders of the host: what comes from one of our bridges and does not go back to
it looks through the second, which drops what would go to another one. netavark has such rules too, but setting them up
costs 12 ms of every start, and its 1.4 takes the jump to them away with the first network that is removed.

A bridge's rules are made once, before it comes up, and go with it.
"""

from __future__ import annotations

import os

from teul.errors import CommandFailed, text
from teul.host import launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE = "mangle"
"""Looked through before `filter`, where whoever comes last puts an ACCEPT for his own before everybody else's rules."""
FROM, TO = "TEUL-ISOLATION-FROM", "TEUL-ISOLATION-TO"
FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin")


def program(name: str = "iptables") -> str:
    """Its path, or ""; where there is none, the firewall is netavark's business alone."""
    return next((f"{folder}/{name}" for folder in FOLDERS if os.access(f"{folder}/{name}", os.X_OK)), "")


def isolate(bridge: str, *, ipv6: bool = False, talks_inside: bool = True) -> None:
    """Keep *bridge* from all others; without *talks_inside*, its own containers from each other too. Idempotent.

    Raises:
        CommandFailed: iptables refuses.
    """
    for each in _programs(ipv6):
        for chain in (FROM, TO):
            # It may be there.
            _try(each, "-N", chain)
        if _try(each, "-C", "FORWARD", "-j", FROM):
            _do(each, "-I", "FORWARD", "1", "-j", FROM)
        for rule in _rules(bridge, talks_inside=talks_inside):
            if _try(each, "-C", *rule):
                _do(each, "-A", *rule)


def release(bridge: str) -> None:
    """Take the rules of *bridge* away, and the chains with the last of them. Idempotent."""
    for each in _programs(True):
        for talks_inside in (True, False):
            for rule in _rules(bridge, talks_inside=talks_inside):
                while not _try(each, "-D", *rule):
                    pass
        listed = launch.capture((each, "-w", "-t", TABLE, "-S", FROM)).stdout.decode(errors="replace").splitlines()
        if listed and not any(line.startswith("-A") for line in listed):
            _try(each, "-D", "FORWARD", "-j", FROM)
            for chain in (FROM, TO):
                _try(each, "-F", chain)
                _try(each, "-X", chain)


def _rules(bridge: str, *, talks_inside: bool) -> tuple[tuple[str, ...], ...]:
    made: tuple[tuple[str, ...], ...] = (
        (FROM, "-i", bridge, "!", "-o", bridge, "-j", TO),
        (TO, "-o", bridge, "-j", "DROP"),
    )
    return made if talks_inside else (*made, (FROM, "-i", bridge, "-o", bridge, "-j", "DROP"))


def _programs(ipv6: bool) -> list[str]:
    return [found for name in ("iptables", "ip6tables")[: 1 + ipv6] if (found := program(name))]


def _try(path: str, *words: str) -> int:
    return launch.capture((path, "-w", "-t", TABLE, *words)).exit_code


def _do(path: str, *words: str) -> None:
    done = launch.capture((path, "-w", "-t", TABLE, *words))
    if done.exit_code:
        said = done.stderr.decode(errors="replace").strip()
        raise CommandFailed(
            text("network: {problem}", problem=said), argv=done.argv, exit_code=done.exit_code, stderr_tail=said
        )


__all__: Sequence[str] = ("isolate", "program", "release")
