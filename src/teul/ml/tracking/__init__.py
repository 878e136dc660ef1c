"""Tracking and the model registry: what the stock MLflow client logs to and reads from, without MLflow's server.

From the bottom: `values` (frozen records), `limits` (MLflow's rules for names and lengths), `filters` (the search
grammar), `schema` and `database` (SQLite), then one module of plain functions per noun: `experiments`, `runs`,
`metrics`, `logged_models`, `registry`, `artifacts`, `tokens`. `store` is the face for callers in this process, `wire`
and `handlers` speak MLflow's REST API over the same functions, `access` says who may write what, `server` listens, and
`service` starts a server for a state folder when one is needed.

Times are milliseconds since 1970 here, as on MLflow's wire. Must not know containers, images or projects.
"""

from __future__ import annotations

from teul.ml.tracking.store import TrackingStore

__all__ = ["TrackingStore"]
