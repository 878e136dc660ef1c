"""Images: names, archives (docker save/load, OCI layout), and base images made without a registry.

An image is a config (its digest is the image's id), perhaps a manifest, and layers that are snapshots. The registry
is a sibling that this package does not know; the engine wires both.
"""

from teul.images.store import ORIGIN_LABEL, Image, ImageStore

__all__ = ["ORIGIN_LABEL", "Image", "ImageStore"]
