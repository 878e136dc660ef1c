"""Containers: create, start, attach, exec, stop, remove, look at. No daemon: what has to happen when a container ends is
done by the command that its monitor runs then (`settle`), or by whoever looks next.

The life of a container: a row with status `created` and a writable snapshot → `running`, with a monitor (conmon) and, on
a bridge, an address → `exited`, with an exit code → removed. A row says `running` only with the pid and the start time
of the container's first process, so that a reboot or a kill is seen for what it is.

The verbs live in this package's modules and are loaded when they are used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine.containers.attached import run_foreground, start_attached
    from teul.engine.containers.changes import diff, export
    from teul.engine.containers.committing import commit
    from teul.engine.containers.control import pause, ports, rename, restart, top, unpause, update
    from teul.engine.containers.creation import create
    from teul.engine.containers.execution import ExecOptions, exec_
    from teul.engine.containers.inspection import inspect
    from teul.engine.containers.lookup import get, list_containers
    from teul.engine.containers.options import ContainerOptions
    from teul.engine.containers.output import logs
    from teul.engine.containers.record import Container
    from teul.engine.containers.removal import remove
    from teul.engine.containers.settlement import settle, settle_all
    from teul.engine.containers.startup import start
    from teul.engine.containers.stopping import kill, stop, wait

_MODULES = {
    "Container": "record",
    "ContainerOptions": "options",
    "ExecOptions": "execution",
    "commit": "committing",
    "create": "creation",
    "diff": "changes",
    "exec_": "execution",
    "export": "changes",
    "get": "lookup",
    "inspect": "inspection",
    "kill": "stopping",
    "list_containers": "lookup",
    "logs": "output",
    "pause": "control",
    "ports": "control",
    "remove": "removal",
    "rename": "control",
    "restart": "control",
    "run_foreground": "attached",
    "settle": "settlement",
    "settle_all": "settlement",
    "start": "startup",
    "start_attached": "attached",
    "stop": "stopping",
    "top": "control",
    "unpause": "control",
    "update": "control",
    "wait": "stopping",
}
__all__ = [
    "Container",
    "ContainerOptions",
    "ExecOptions",
    "commit",
    "create",
    "diff",
    "exec_",
    "export",
    "get",
    "inspect",
    "kill",
    "list_containers",
    "logs",
    "pause",
    "ports",
    "remove",
    "rename",
    "restart",
    "run_foreground",
    "settle",
    "settle_all",
    "start",
    "start_attached",
    "stop",
    "top",
    "unpause",
    "update",
    "wait",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(name)
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
