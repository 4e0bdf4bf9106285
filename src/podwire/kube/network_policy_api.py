"""ClusterNetworkPolicy of `policy.networking.k8s.io/v1alpha2`.

Source: sigs.k8s.io/network-policy-api v0.2.0 `apis/v1alpha2/clusternetworkpolicy_types.go`.
"""

from __future__ import annotations

from typing import Any

from podwire.kube.meta import Condition, NamespacedName, Object, ObjectMeta, Struct

GROUP = "policy.networking.k8s.io"
API_VERSION = f"{GROUP}/v1alpha2"


class ClusterNetworkPolicyStatus(Struct, frozen=True):
    """What implementations report."""

    conditions: tuple[Condition, ...] = ()


class ClusterNetworkPolicy(Object, frozen=True):
    """Rules for the pods of many namespaces, before or after those of NetworkPolicy.

    `spec` is as the API server sent it: a field that is not known must be seen, as it may restrict a rule.
    """

    spec: dict[str, Any] = {}
    status: ClusterNetworkPolicyStatus = ClusterNetworkPolicyStatus()


def closed_cluster_policy(key: NamespacedName) -> ClusterNetworkPolicy:
    """Return a policy of this name that cannot be read, so that it denies all: fail closed."""
    return ClusterNetworkPolicy(metadata=ObjectMeta(name=key.name), spec={"ingress": None, "egress": None})
