"""A layer as a stream: `apply` (tar → folder), `pack` (folder → tar), and the codecs gzip and zstd.

Folders are in overlay's format (a whiteout is a character device 0/0, an opaque folder has the xattr
`trusted.overlay.opaque`, or `user.overlay.opaque` in a user namespace); tars are in the OCI's (`.wh.` entries).
"""
