"""Registries: the distribution specification's client, authentication, and the plan of a transfer (pure).

The only package that speaks HTTP to registries. A reference is resolved to a manifest; blobs come and go verified;
only `Unavailable` is retried, with growing pauses and the other side's `Retry-After`. Credentials are docker's.
"""

from teul.registry.client import Document, RegistryClient
from teul.registry.transfer import PullPlan, PushPlan, plan_pull, plan_push

__all__ = ["Document", "PullPlan", "PushPlan", "RegistryClient", "plan_pull", "plan_push"]
