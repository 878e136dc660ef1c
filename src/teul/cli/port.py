"""`teul port`: where a container's ports are published."""

from __future__ import annotations

from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.network.ports import PortMapping

USAGE = "CONTAINER [PRIVATE_PORT[/PROTO]]"
FLAGS = ()


def run(arguments: Arguments, context: Context) -> int:
    from teul.engine.containers import ports

    if not 1 <= len(arguments.rest) <= 2:
        raise UsageError(
            text('"teul {command}" requires at least {count} argument(s)', command="port", count=1),
            hint=text("teul {command} --help", command="port"),
        )
    container, wanted = [*arguments.rest, ""][:2]
    for mapping in sorted(ports(context.engine, container, wanted), key=lambda item: (item.container_port, item.key)):
        for address in _addresses(mapping):
            context.print(
                f"{address}:{mapping.host_port}" if wanted else f"{mapping.key} -> {address}:{mapping.host_port}"
            )
    return 0


def _addresses(mapping: PortMapping) -> list[str]:
    if not mapping.host_ip:
        return ["0.0.0.0"]
    return [f"[{mapping.host_ip}]" if ":" in mapping.host_ip else mapping.host_ip]
