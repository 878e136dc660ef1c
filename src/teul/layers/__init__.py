"""A layer as a stream: `apply` (tar → folder), `pack` (folder → tar), and the codecs gzip and zstd.

Folders are in overlay's format (a whiteout is a character device 0/0, an opaque folder has the xattr
`trusted.overlay.opaque`, or `user.overlay.opaque` in a user namespace); tars are in the OCI's (`.wh.` entries).
"""

from teul.layers.apply import Applied, apply
from teul.layers.pack import Packed, pack
from teul.layers.recipe import RecipeWriter, replay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.layers.stream import Source as Source

__all__ = ["Applied", "Packed", "RecipeWriter", "apply", "pack", "replay"]
