"""Choosing a snapshotter: what the user asked for, or the best that works on this filesystem, tried once for real."""

from __future__ import annotations

import os

from teul.errors import Corrupt, HostLacks, InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.config import Settings
    from teul.snapshots.protocol import Snapshotter
    from teul.state.db import Database


def open_snapshotter(settings: Settings, db: Database) -> Snapshotter:
    """The snapshotter of this state folder; the answer of the trial is remembered in `snapshots/kind`.

    Raises:
        InvalidInput: TEUL_SNAPSHOTTER names none, or another than this state folder was begun with.
        HostLacks: TEUL_SNAPSHOTTER asks for overlay, which does not work here.
    """
    kind = _remembered(settings) or _tried(settings)
    if settings.snapshotter not in ("", kind):
        raise InvalidInput(
            text("snapshotter `{wanted}`: this state folder has `{kind}`", wanted=settings.snapshotter, kind=kind),
            hint=text("set TEUL_ROOT to another folder"),
        )
    if kind == "overlay":
        from teul.snapshots.overlay import OverlaySnapshotter

        return OverlaySnapshotter(f"{settings.snapshots}/overlay", db)
    if kind == "native":
        from teul.snapshots.native import NativeSnapshotter

        return NativeSnapshotter(f"{settings.snapshots}/native", db)
    raise Corrupt(
        text("`{path}`: expected overlay or native, got {kind}", path=f"{settings.snapshots}/kind", kind=kind)
    )


def _remembered(settings: Settings) -> str:
    try:
        with open(f"{settings.snapshots}/kind", encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _tried(settings: Settings) -> str:
    from teul.host.fs import write_atomic
    from teul.host.mount import is_overlay_supported

    os.makedirs(settings.snapshots, mode=0o711, exist_ok=True)
    if settings.snapshotter not in ("", "overlay", "native"):
        raise InvalidInput(text("snapshotter `{kind}`: expected overlay or native", kind=settings.snapshotter))
    works = settings.snapshotter != "native" and is_overlay_supported(settings.snapshots)
    if settings.snapshotter == "overlay" and not works:
        raise HostLacks(
            text("overlay mounts on `{path}`", path=settings.snapshots), hint=text("TEUL_SNAPSHOTTER=native")
        )
    kind = "overlay" if works else "native"
    write_atomic(f"{settings.snapshots}/kind", kind.encode() + b"\n", 0o644)
    return kind
