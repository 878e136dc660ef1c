"""Blobs by digest, in an OCI image layout on disk: `layout/{oci-layout,index.json,blobs/sha256/…,ingest/…}`.

The life of a blob: `ingest` opens a write that nobody else sees; `commit` flushes it to the disk, checks size and
digest, renames it into place and flushes the folder; from then on it is visible, whole, to everyone. A writer that
dies leaves a file in `ingest/` that another writer with the same *key* may go on with, and that gc removes. Commits
of a blob that exists already succeed and keep the first. Reads verify: a reader that comes to the end of a blob
whose bytes are not those of its digest raises instead of returning the end.
"""

from teul.content.protocol import Info, Reader, Store, Writer
from teul.content.store import LocalStore

__all__ = ["Info", "LocalStore", "Reader", "Store", "Writer"]
