"""NetworkPolicy of `networking.k8s.io/v1`. Source: k8s.io/api `networking/v1/types.go`."""

from __future__ import annotations

import msgspec

from podwire.kube.core import IntOrString
from podwire.kube.meta import LabelSelector, NamespacedName, Object, ObjectMeta, Struct


class IPBlock(Struct, frozen=True):
    """A range of addresses without the ranges in `except`."""

    cidr: str
    except_: tuple[str, ...] = msgspec.field(default=(), name="except")


class NetworkPolicyPeer(Struct, frozen=True):
    """The peers of a rule. None: the part is not used; an empty selector: everything."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class NetworkPolicyPort(Struct, frozen=True):
    """Which port of the pod, after address translation. No port: all ports of the protocol."""

    protocol: str = "TCP"
    port: IntOrString | None = None
    end_port: int | None = None


class NetworkPolicyIngressRule(Struct, frozen=True):
    """Empty or missing parts do not restrict."""

    from_: tuple[NetworkPolicyPeer, ...] = msgspec.field(default=(), name="from")
    ports: tuple[NetworkPolicyPort, ...] = ()


class NetworkPolicyEgressRule(Struct, frozen=True):
    """Empty or missing parts do not restrict."""

    to: tuple[NetworkPolicyPeer, ...] = ()
    ports: tuple[NetworkPolicyPort, ...] = ()


class NetworkPolicySpec(Struct, frozen=True):
    """Absent policyTypes: Ingress always, Egress only where an egress section exists."""

    pod_selector: LabelSelector = LabelSelector()
    policy_types: tuple[str, ...] = ()
    ingress: tuple[NetworkPolicyIngressRule, ...] = ()
    egress: tuple[NetworkPolicyEgressRule, ...] | None = None


class NetworkPolicy(Object, frozen=True):
    """Which connections the selected pods may receive and open."""

    spec: NetworkPolicySpec = NetworkPolicySpec()


class ServiceCIDRSpec(Struct, frozen=True):
    """Ranges of the addresses of Services, at most one a family."""

    cidrs: tuple[str, ...] = ()


class ServiceCIDR(Object, frozen=True):
    """One more source of cluster addresses."""

    spec: ServiceCIDRSpec = ServiceCIDRSpec()


def closed_policy(key: NamespacedName) -> NetworkPolicy:
    """Return a policy of this name that isolates every pod of its namespace and admits nothing: fail closed."""
    metadata = ObjectMeta(name=key.name, namespace=key.namespace)
    return NetworkPolicy(metadata=metadata, spec=NetworkPolicySpec(policy_types=("Ingress", "Egress")))
