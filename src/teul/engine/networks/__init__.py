"""Networks: the rows, the bridges behind them, and containers that join and leave.

A network's bridge appears with its first container and stays; it goes with the network. An endpoint's row is the journal
of its tear-down: it is written before anything is set up, and deleted when nothing of it is left.

Names are loaded from their modules when they are asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine.networks.bridges import abandon, bring_up, clean_up, leftovers, take_down
    from teul.engine.networks.definition import (
        DEFAULT,
        PREDEFINED,
        check_name,
        create,
        discard,
        endpoints,
        gateway_addresses,
        get,
        in_use,
        is_up,
        known,
        list_networks,
        prune,
        remove,
    )
    from teul.engine.networks.joining import Joined, Session, join, leave, leaves_something, session, sweep
    from teul.engine.networks.membership import connect, disconnect

_MODULES = {
    **dict.fromkeys(("abandon", "bring_up", "clean_up", "leftovers", "take_down"), "bridges"),
    **dict.fromkeys(
        (
            "DEFAULT",
            "PREDEFINED",
            "check_name",
            "create",
            "endpoints",
            "gateway_addresses",
            "get",
            "is_up",
            "known",
            "in_use",
        ),
        "definition",
    ),
    **dict.fromkeys(("discard", "list_networks", "prune", "remove"), "definition"),
    **dict.fromkeys(("Joined", "Session", "join", "leave", "leaves_something", "session", "sweep"), "joining"),
    **dict.fromkeys(("connect", "disconnect"), "membership"),
}
__all__ = [
    "DEFAULT",
    "PREDEFINED",
    "Joined",
    "Session",
    "abandon",
    "bring_up",
    "check_name",
    "clean_up",
    "connect",
    "create",
    "discard",
    "disconnect",
    "endpoints",
    "gateway_addresses",
    "get",
    "in_use",
    "is_up",
    "join",
    "known",
    "leave",
    "leaves_something",
    "leftovers",
    "list_networks",
    "prune",
    "remove",
    "session",
    "sweep",
    "take_down",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(name)
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
