"""The networks of a build's RUNs."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from teul.errors import HostLacks, text
from teul.events import Warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from teul.config import Settings
    from teul.engine import Engine
    from teul.events import Sink


class BuildNetworks:
    """Network namespaces on the bridge, one for each RUN that runs at a time; made when first asked for, used again."""

    def __init__(self, engine: Engine, events: Sink) -> None:
        self._settings = engine.settings
        self._events = events
        self._guard = threading.Lock()
        self._free: list[str] = []
        self._stack: ExitStack | None = None
        self._engine: Engine | None = None
        self._is_host = False

    @contextmanager
    def lend(self) -> Iterator[str]:
        """A namespace's path for the length of the block, or "host" where a bridge cannot do."""
        with self._guard:
            name = "host" if self._is_host else self._free.pop() if self._free else self._made()
        try:
            yield name
        finally:
            if name != "host":
                with self._guard:
                    self._free.append(name)

    def gateway(self) -> str:
        """The host's address on the network of a RUN; "" where it shares the host's."""
        from teul.engine import Engine
        from teul.engine.networks import DEFAULT, get

        if self._is_host:
            return ""
        engine = Engine.open(self._settings)
        try:
            return get(engine, DEFAULT).gateway
        finally:
            engine.close()

    def _made(self) -> str:
        from contextlib import ExitStack

        from teul.engine import Engine
        from teul.engine.networks import session

        loopback = _loopback_settings(self._settings)
        if loopback:
            self._is_host = True
            self._events(
                Warn(
                    "",
                    "build-network",
                    text("{names} on this host's loopback: RUN shares the host's network", names=", ".join(loopback)),
                )
            )
            return "host"
        if self._stack is None or self._engine is None:
            # A connection to the database belongs to one user at a time; ours is behind the guard.
            self._stack = ExitStack()
            self._engine = Engine.open(self._settings)
            self._stack.callback(self._engine.close)
        try:
            return self._stack.enter_context(session(self._engine, f"build{os.urandom(12).hex()}")).path
        except HostLacks as error:
            self._is_host = True
            self._events(
                Warn("", "build-network", text("no bridge ({problem}): RUN shares the host's network", problem=error))
            )
            return "host"

    def close(self) -> None:
        with self._guard:
            if self._stack is not None:
                self._stack.close()
                self._stack = None


def _loopback_settings(settings: Settings) -> list[str]:
    """The proxies and indexes of this host that only its own network can reach."""
    from teul.runtime.host_trust import trust_env

    made = []
    for entry in trust_env(settings, shares_network=True):
        name, _, value = entry.partition("=")
        if (
            name.isupper()
            and name != "NO_PROXY"
            and any(f"//{host}" in value.replace("@", "//") for host in ("127.", "localhost", "[::1]"))
        ):
            made.append(name)
    return made
