"""The schema, as an ordered list of migrations; each runs in one transaction and is never changed once released."""

from __future__ import annotations

from teul.state.db import SCHEMA_VERSION, Database

CONTENT = """
CREATE TABLE descriptors (           -- a layer's compressed forms: what a pull found or a push made
  digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size_bytes INTEGER NOT NULL,
  diff_id TEXT, created_at REAL NOT NULL
) STRICT;
CREATE INDEX descriptors_diff_id ON descriptors(diff_id);
CREATE TABLE origins (               -- where a blob is known to exist, for cross-repository mounts
  digest TEXT NOT NULL, repository TEXT NOT NULL, PRIMARY KEY (digest, repository)
) STRICT, WITHOUT ROWID;
CREATE TABLE leases (                -- what is in flight and must survive gc
  id TEXT PRIMARY KEY, pid INTEGER NOT NULL, started TEXT NOT NULL, created_at REAL NOT NULL
) STRICT;
CREATE TABLE lease_items (
  lease TEXT NOT NULL REFERENCES leases(id) ON DELETE CASCADE, kind TEXT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (lease, kind, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshots (
  name TEXT PRIMARY KEY,             -- committed: a diff id, or diff id + "@" + chain id; active: the caller's key
  kind TEXT NOT NULL CHECK (kind IN ('active', 'committed')),
  folder TEXT NOT NULL UNIQUE, parents TEXT NOT NULL, size_bytes INTEGER NOT NULL DEFAULT 0,
  inodes INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL DEFAULT '{}', created_at REAL NOT NULL
) STRICT;
"""

IMAGES = """
CREATE TABLE images (                -- by image digest (Docker's image id)
  id TEXT PRIMARY KEY, manifest TEXT NOT NULL, data TEXT NOT NULL, created_at REAL NOT NULL
) STRICT;
CREATE TABLE image_names (
  name TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES images(id), updated_at REAL NOT NULL
) STRICT;
CREATE INDEX image_names_image ON image_names(image);
CREATE TABLE image_digests (         -- RepoDigests
  repository TEXT NOT NULL, digest TEXT NOT NULL, image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
  PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
"""

CONTAINERS = """
CREATE TABLE containers (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, image TEXT NOT NULL, status TEXT NOT NULL,
  data TEXT NOT NULL, created_at REAL NOT NULL
) STRICT;
CREATE INDEX containers_image ON containers(image);
CREATE TABLE networks (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, data TEXT NOT NULL, created_at REAL NOT NULL
) STRICT;
CREATE TABLE endpoints (             -- a container's place on a network
  network TEXT NOT NULL REFERENCES networks(id), container TEXT NOT NULL, address TEXT NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY (network, container), UNIQUE (network, address)
) STRICT, WITHOUT ROWID;
CREATE TABLE volumes (
  name TEXT PRIMARY KEY, data TEXT NOT NULL, created_at REAL NOT NULL
) STRICT;
CREATE TABLE exits (                 -- exit codes outlive `--rm` for a while, so that `wait` never misses one
  container TEXT PRIMARY KEY, name TEXT NOT NULL, exit_code INTEGER NOT NULL, at REAL NOT NULL
) STRICT;
"""

CACHE = """
CREATE TABLE results (               -- the solver's cache: key → what the op gave
  key TEXT PRIMARY KEY, vertex TEXT NOT NULL, name TEXT NOT NULL, data TEXT NOT NULL,
  created_at REAL NOT NULL, used_at REAL NOT NULL
) STRICT;
CREATE TABLE explained (             -- the parts of the key of a vertex the last time it was solved, for `why`
  scope TEXT NOT NULL, vertex TEXT NOT NULL, parts TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (scope, vertex)
) STRICT, WITHOUT ROWID;
CREATE TABLE file_digests (          -- a context file's digest, valid while its stat is the same
  path TEXT PRIMARY KEY, device INTEGER NOT NULL, inode INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, digest TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

PROJECTS = """
CREATE TABLE projects (
  name TEXT PRIMARY KEY, folder TEXT NOT NULL, data TEXT NOT NULL, updated_at REAL NOT NULL
) STRICT;
CREATE TABLE deployments (           -- what served when and why: append-only
  number INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL,
  image TEXT NOT NULL, container TEXT NOT NULL, reason TEXT NOT NULL, data TEXT NOT NULL,
  started_at REAL NOT NULL, ended_at REAL
) STRICT;
CREATE INDEX deployments_project ON deployments(project, number);
"""

ARTIFACTS = """
CREATE TABLE tracking_stores (       -- whose artifacts lie among our blobs; with a row here, all its roots are known
  id TEXT PRIMARY KEY, location TEXT NOT NULL
) STRICT;
CREATE TABLE artifact_roots (        -- at least what the store gives a name to; more only until it is compared again
  store TEXT NOT NULL REFERENCES tracking_stores(id) ON DELETE CASCADE, digest TEXT NOT NULL,
  PRIMARY KEY (store, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_roots_digest ON artifact_roots(digest);
"""

MIGRATIONS = (CONTENT, IMAGES, CONTAINERS, CACHE, PROJECTS, ARTIFACTS)


def migrate(database: Database) -> None:
    """Apply what is missing, each in its transaction; two processes at once apply each only once."""
    for number, script in enumerate(MIGRATIONS, start=1):
        with database:
            row = database.one("PRAGMA user_version")
            if row is not None and row[0] < number:
                database.executescript(script)
                database.execute(f"PRAGMA user_version={number}")


assert len(MIGRATIONS) == SCHEMA_VERSION
