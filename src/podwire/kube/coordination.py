"""Lease of `coordination.k8s.io/v1`. Source: k8s.io/api `coordination/v1/types.go`."""

from __future__ import annotations

from podwire.kube.meta import Object, Struct

NODE_LEASES = "kube-node-lease"
"""The namespace where each node has a Lease of its name."""
AGENT_LEASES = "podwire-node-lease"
"""The namespace of the Leases of podwire's agents: who may write there may not write those of kubelets."""


class LeaseSpec(Struct, frozen=True):
    """The holder, and for how many seconds after `renewTime` it holds the Lease.

    Times are RFC 3339 with microseconds. `leaseTransitions` counts the changes of holders.
    """

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int = 0


class Lease(Object, frozen=True):
    """A Lease: a heartbeat, or the lock of a leader election."""

    spec: LeaseSpec = LeaseSpec()
