"""TransportPolicy of `mesh.podwire.dev/v1alpha1`: whether selected pods accept connections in plain text."""

from __future__ import annotations

from podwire.kube.kinds import Kind
from podwire.kube.meta import LabelSelector, NamespacedName, Object, ObjectMeta, Struct
from podwire.mesh.kinds.authorization_policy import PolicyStatus
from podwire.mesh.kinds.backend_policy import GROUP

STRICT, PERMISSIVE = "STRICT", "PERMISSIVE"


class TransportPort(Struct, frozen=True):
    """The mode of one port of the pods."""

    port: int
    mode: str = PERMISSIVE


class TransportPolicySpec(Struct, frozen=True):
    """The mode of selected pods, or of all pods of the namespace, and of single ports."""

    selector: LabelSelector | None = None
    mode: str = PERMISSIVE
    ports: tuple[TransportPort, ...] = ()


class TransportPolicy(Object, frozen=True):
    """A policy of the pods of its namespace; one without selector in podwire-system is for all namespaces."""

    spec: TransportPolicySpec = TransportPolicySpec()
    status: PolicyStatus = PolicyStatus()


def closed_policy(key: NamespacedName) -> TransportPolicy:
    """Return a policy of this name that cannot be read: no plain text."""
    spec = TransportPolicySpec(selector=LabelSelector(), mode=STRICT)
    return TransportPolicy(metadata=ObjectMeta(name=key.name, namespace=key.namespace), spec=spec)


TRANSPORT_POLICIES = Kind(
    f"{GROUP}/v1alpha1", "TransportPolicy", "transportpolicies", TransportPolicy, substitute=closed_policy
)
