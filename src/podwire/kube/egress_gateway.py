"""EgressGateway of `podwire.dev/v1alpha1`: selected pods leave the cluster by a node, with an address of their own."""

from __future__ import annotations

from podwire.kube.meta import Condition, LabelSelector, NamespacedName, Object, ObjectMeta, Struct

GROUP = "podwire.dev"
API_VERSION = f"{GROUP}/v1alpha1"


class GatewayNode(Struct, frozen=True):
    """A node by its name, or all nodes that a selector selects, in the order of their names."""

    name: str = ""
    node_selector: LabelSelector | None = None


class EgressGatewaySpec(Struct, frozen=True):
    """Which pods leave by which nodes, with which addresses, towards which destinations: none, all outside."""

    namespace_selector: LabelSelector = LabelSelector()
    pod_selector: LabelSelector = LabelSelector()
    gateways: tuple[GatewayNode, ...] = ()
    addresses: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()


class EgressGatewayStatus(Struct, frozen=True):
    """The node that serves, the addresses that it serves with, and what is wrong."""

    node: str = ""
    addresses: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


class EgressGateway(Object, frozen=True):
    """A way out of the cluster."""

    spec: EgressGatewaySpec = EgressGatewaySpec()
    status: EgressGatewayStatus = EgressGatewayStatus()


def closed_gateway(key: NamespacedName) -> EgressGateway:
    """Return a gateway of this name that cannot be read: it selects all pods, and no node serves it."""
    return EgressGateway(metadata=ObjectMeta(name=key.name))
