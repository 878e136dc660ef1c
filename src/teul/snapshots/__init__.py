"""Trees: committed layers, each in a folder of its own, and writable snapshots on top of several of them.

Words: a *layer name* names a committed snapshot: its `diff_id`, or `diff_id@chain_id` for the rare layer that does
not stand alone (it holds entries below folders, or hard links to files, that only the layers below define). A *key*
names an active snapshot; the caller chooses it. *parents* are layer names, bottom first.

Life: `prepare(key, parents)` makes an active snapshot that shows the parents merged and takes writes;
`mounts(key)` says how to mount it; `commit(key, name)` turns what was written (only that) into a committed layer and
ends the active one; `remove` throws an active snapshot or an unused layer away. `unpack` makes a committed layer from
a tar, filling a folder outside the reach of others first; `tar` gives the same tar again. Nothing half-made is ever
visible as a committed layer: folder first (flushed), row second.
"""

from teul.snapshots.protocol import Finding, LayerInfo, Snapshotter

__all__ = ["Finding", "LayerInfo", "Snapshotter"]
