"""Lease of `coordination.k8s.io/v1`. Source: k8s.io/api `coordination/v1/types.go`."""

from __future__ import annotations

from podwire.kube.meta import Object, Struct

NODE_LEASES = "kube-node-lease"
"""The namespace where each node has a Lease of its name."""


class LeaseSpec(Struct, frozen=True):
    """Who holds it, for how many seconds, and when that was last said (RFC 3339 with microseconds)."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    renew_time: str | None = None


class Lease(Object, frozen=True):
    """A sign of life."""

    spec: LeaseSpec = LeaseSpec()
