"""The tracking database's schema, as an ordered list of migrations; each is never changed once released."""

from __future__ import annotations

EXPERIMENTS = """
CREATE TABLE experiments (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, artifact_location TEXT NOT NULL,
  lifecycle_stage TEXT NOT NULL, creation_time INTEGER NOT NULL, last_update_time INTEGER NOT NULL
) STRICT;
CREATE TABLE experiment_tags (
  experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (experiment, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE, experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  name TEXT NOT NULL, user_id TEXT NOT NULL, status TEXT NOT NULL, start_time INTEGER NOT NULL, end_time INTEGER,
  artifact_uri TEXT NOT NULL, lifecycle_stage TEXT NOT NULL, deleted_time INTEGER
) STRICT;
CREATE INDEX runs_recent ON runs(experiment, lifecycle_stage, start_time DESC, id);
CREATE TABLE params (
  run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE tags (
  run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE metrics (
  run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE, key TEXT NOT NULL,
  timestamp INTEGER NOT NULL, step INTEGER NOT NULL, value REAL NOT NULL, is_nan INTEGER NOT NULL,
  PRIMARY KEY (run, key, timestamp, step, value, is_nan)
) STRICT, WITHOUT ROWID;
CREATE TABLE latest_metrics (
  run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE, key TEXT NOT NULL,
  timestamp INTEGER NOT NULL, step INTEGER NOT NULL, value REAL NOT NULL, is_nan INTEGER NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE datasets (
  id INTEGER PRIMARY KEY, experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  name TEXT NOT NULL, digest TEXT NOT NULL, source_type TEXT NOT NULL, source TEXT NOT NULL, schema TEXT, profile TEXT,
  UNIQUE (experiment, name, digest)
) STRICT;
CREATE TABLE dataset_inputs (
  id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE,
  dataset INTEGER NOT NULL REFERENCES datasets(id) ON DELETE CASCADE, UNIQUE (run, dataset)
) STRICT;
CREATE TABLE dataset_input_tags (
  input INTEGER NOT NULL REFERENCES dataset_inputs(id) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (input, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE run_models (            -- logged models that a run read ("input") or wrote ("output")
  number INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE,
  direction TEXT NOT NULL CHECK (direction IN ('input', 'output')), model TEXT NOT NULL, step INTEGER NOT NULL,
  UNIQUE (run, direction, model, step)
) STRICT;
"""

LOGGED_MODELS = """
CREATE TABLE logged_models (
  id TEXT PRIMARY KEY, experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE, name TEXT NOT NULL,
  artifact_location TEXT NOT NULL, creation_time INTEGER NOT NULL, last_update_time INTEGER NOT NULL,
  status INTEGER NOT NULL, lifecycle_stage TEXT NOT NULL, model_type TEXT, source_run_id TEXT, status_message TEXT
) STRICT;
CREATE INDEX logged_models_recent ON logged_models(experiment, lifecycle_stage, creation_time DESC, id);
CREATE TABLE logged_model_tags (
  model TEXT NOT NULL REFERENCES logged_models(id) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE logged_model_params (
  model TEXT NOT NULL REFERENCES logged_models(id) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE logged_model_metrics (
  model TEXT NOT NULL REFERENCES logged_models(id) ON DELETE CASCADE, key TEXT NOT NULL, timestamp INTEGER NOT NULL,
  step INTEGER NOT NULL, run_id TEXT NOT NULL, value REAL NOT NULL, is_nan INTEGER NOT NULL,
  dataset_name TEXT NOT NULL, dataset_digest TEXT NOT NULL,
  PRIMARY KEY (model, key, timestamp, step, run_id, value, is_nan, dataset_name, dataset_digest)
) STRICT, WITHOUT ROWID;
"""

REGISTRY = """
CREATE TABLE registered_models (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, description TEXT,
  creation_time INTEGER NOT NULL, last_update_time INTEGER NOT NULL
) STRICT;
CREATE TABLE registered_model_tags (
  model INTEGER NOT NULL REFERENCES registered_models(id) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE model_versions (
  model INTEGER NOT NULL REFERENCES registered_models(id) ON DELETE CASCADE, version INTEGER NOT NULL,
  creation_time INTEGER NOT NULL, last_update_time INTEGER NOT NULL, current_stage TEXT NOT NULL, source TEXT NOT NULL,
  storage_location TEXT NOT NULL, run_id TEXT, run_link TEXT, description TEXT, user_id TEXT, model_id TEXT,
  status TEXT NOT NULL, status_message TEXT,
  gate TEXT NOT NULL DEFAULT '' CHECK (gate IN ('', 'passed', 'failed')), gate_report TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (model, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_versions_run ON model_versions(run_id);
CREATE TABLE model_version_tags (
  model INTEGER NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (model, version, key),
  FOREIGN KEY (model, version) REFERENCES model_versions(model, version) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TABLE aliases (
  model INTEGER NOT NULL REFERENCES registered_models(id) ON DELETE CASCADE, alias TEXT NOT NULL,
  version INTEGER NOT NULL, PRIMARY KEY (model, alias)
) STRICT, WITHOUT ROWID;
CREATE TABLE alias_history (         -- append-only: who moved which alias when and why; outlives the model
  number INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL,
  version INTEGER, previous INTEGER, who TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE INDEX alias_history_model ON alias_history(model, number);
CREATE TRIGGER alias_history_is_kept BEFORE DELETE ON alias_history
BEGIN SELECT RAISE(ABORT, 'alias_history is append-only'); END;
"""

ARTIFACTS = """
CREATE TABLE artifacts (             -- the tree behind the mlflow-artifacts proxy: path → content
  path TEXT PRIMARY KEY, digest TEXT NOT NULL, size_bytes INTEGER NOT NULL, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX artifacts_digest ON artifacts(digest);
CREATE TABLE uploads (               -- multipart uploads in flight; each part is content already
  id TEXT PRIMARY KEY, path TEXT NOT NULL, parts INTEGER NOT NULL, created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE upload_parts (
  upload TEXT NOT NULL REFERENCES uploads(id) ON DELETE CASCADE, number INTEGER NOT NULL,
  digest TEXT NOT NULL, size_bytes INTEGER NOT NULL, PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
"""

TOKENS = """
CREATE TABLE tokens (                -- a token is never stored, only its sha256
  hash BLOB PRIMARY KEY, run_id TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_run ON tokens(run_id);
"""

PROOF = """
CREATE TABLE environments (          -- image digest → what the image is made of, for runs to be compared by
  image TEXT PRIMARY KEY, data TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE run_processes (         -- who writes a run: a process of this machine, by pid and start, or a container
  run INTEGER PRIMARY KEY REFERENCES runs(number) ON DELETE CASCADE,
  pid INTEGER NOT NULL, started TEXT NOT NULL, container TEXT NOT NULL
) STRICT;
ALTER TABLE registered_models ADD COLUMN needs_approval INTEGER NOT NULL DEFAULT 0;
CREATE TABLE approvals (             -- append-only: who let a version in or kept it out, when and why; the last counts
  number INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('approved', 'rejected')), who TEXT NOT NULL, reason TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX approvals_version ON approvals(model, version, number);
CREATE TRIGGER approvals_are_kept BEFORE DELETE ON approvals
BEGIN SELECT RAISE(ABORT, 'approvals is append-only'); END;
CREATE TRIGGER approvals_stay BEFORE UPDATE ON approvals
BEGIN SELECT RAISE(ABORT, 'approvals is append-only'); END;
ALTER TABLE alias_history ADD COLUMN gate TEXT NOT NULL DEFAULT '';
ALTER TABLE alias_history ADD COLUMN gate_report TEXT NOT NULL DEFAULT '[]';
ALTER TABLE alias_history ADD COLUMN approved_by TEXT NOT NULL DEFAULT '';
CREATE TRIGGER alias_history_stays BEFORE UPDATE ON alias_history
BEGIN SELECT RAISE(ABORT, 'alias_history is append-only'); END;
"""

ACCESS = """
CREATE TABLE access_tokens (         -- for people and programs; a token is never stored, only its sha256
  hash BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  project TEXT NOT NULL,             -- an experiment's name; '' for all of them
  role TEXT NOT NULL CHECK (role IN ('read', 'write', 'admin')), created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE container_tokens (      -- for a container that begins runs of its own; *facts* is what they record
  hash BLOB PRIMARY KEY, container TEXT NOT NULL, experiment TEXT NOT NULL, facts TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX container_tokens_container ON container_tokens(container);
CREATE TABLE audit (                 -- append-only: who changed what, and who was turned away
  number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, address TEXT NOT NULL,
  action TEXT NOT NULL, subject TEXT NOT NULL, outcome TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
"""

MIGRATIONS = (EXPERIMENTS + LOGGED_MODELS + REGISTRY + ARTIFACTS + TOKENS, PROOF + ACCESS)
SCHEMA_VERSION = len(MIGRATIONS)
