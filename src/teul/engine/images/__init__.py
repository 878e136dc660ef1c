"""Use cases about images: get them (pull, bootstrap, load), name them, look at them, send them away (push, save).

Each verb is a module; this one only finds it, so that a `teul run` of an image that is here imports none.
"""

from __future__ import annotations

from teul.events import silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.events import Sink
    from teul.images import Image


def bootstrap(engine: Engine, reference: str, *, mirror: str = "", events: Sink = silent) -> Image:
    """Make `debian:<suite>` or `python:<x.y>-slim` from Debian's signed packages and give it that name.

    Args:
        mirror: where the packages come from; "" means where the host itself gets Debian's.
    Raises:
        UnknownBase: Debian has no such thing; says what there is.
        BootstrapFailed: mmdebstrap, apt or pip ended badly; nothing is left behind.
        HostLacks: mmdebstrap is not installed, or we are not root.
    """
    from teul.engine.images import bootstrapping

    return bootstrapping.bootstrap(engine, reference, mirror=mirror, events=events)
