"""Services with load balancer addresses, their slices, and Nodes, small enough to read; and feeds of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from podwire.kube.core import Node, NodeAddress, NodeStatus
from podwire.kube.discovery import SERVICE_NAME_LABEL, Endpoint, EndpointConditions, EndpointSlice
from podwire.kube.meta import Condition, NamespacedName, Object, ObjectMeta
from podwire.kube.services import LoadBalancerIngress, LoadBalancerStatus, Service, ServiceSpec, ServiceStatus
from podwire.kube.watch import Change

ObjectT = TypeVar("ObjectT", bound=Object)


def balanced(
    name: str,
    *addresses: str,
    local: bool = False,
    mode: str | None = None,
    kind: str = "LoadBalancer",
    created: str | None = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Service:
    """A Service to which a load balancer gave these addresses."""
    return Service(
        metadata=ObjectMeta(namespace="default", name=name, creation_timestamp=created, labels=labels or {}),
        spec=ServiceSpec(type=kind, external_traffic_policy="Local" if local else "Cluster", **spec),
        status=ServiceStatus(
            load_balancer=LoadBalancerStatus(
                ingress=tuple(LoadBalancerIngress(ip=address, ip_mode=mode) for address in addresses)
            )
        ),
    )


def endpoint(
    address: str, node: str, *, ready: bool = True, serving: bool | None = None, ending: bool = False
) -> Endpoint:
    """One endpoint of a node."""
    conditions = EndpointConditions(ready=ready, serving=serving, terminating=ending)
    return Endpoint(addresses=(address,), conditions=conditions, node_name=node)


def slice_of(service: str, *endpoints: Endpoint, name: str = "1") -> EndpointSlice:
    """A slice of a Service, of the family of its first endpoint."""
    metadata = ObjectMeta(namespace="default", name=f"{service}-{name}", labels={SERVICE_NAME_LABEL: service})
    family = "IPv6" if endpoints and ":" in endpoints[0].addresses[0] else "IPv4"
    return EndpointSlice(metadata=metadata, address_type=family, endpoints=endpoints)


def node(name: str, *addresses: str, ready: bool = True, labels: dict[str, str] | None = None) -> Node:
    """A Node, Ready or not, with these InternalIPs."""
    status = NodeStatus(
        addresses=tuple(NodeAddress(type="InternalIP", address=address) for address in addresses),
        conditions=(Condition(type="Ready", status="True" if ready else "Unknown"),),
    )
    return Node(metadata=ObjectMeta(name=name, labels=labels or {}), status=status)


class FakeFeed(Generic[ObjectT]):
    """An informer without a server: objects are put and removed by hand."""

    def __init__(self, *items: ObjectT) -> None:
        self.synced = asyncio.Event()
        self.synced.set()
        self.objects: dict[NamespacedName, ObjectT] = {item.key: item for item in items}
        self._listeners: list[Callable[[Change[ObjectT]], None]] = []

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        self._listeners.append(listener)
        for item in self.objects.values():
            listener(Change(None, item))

    def disconnect(self) -> None:
        """The listeners are gone: their process ended."""
        self._listeners.clear()

    def put(self, *items: ObjectT) -> None:
        for item in items:
            change = Change(self.objects.get(item.key), item)
            self.objects[item.key] = item
            self._notify(change)

    def remove(self, *items: ObjectT) -> None:
        for item in items:
            self._notify(Change(self.objects.pop(item.key), None))

    def _notify(self, change: Change[ObjectT]) -> None:
        for listener in self._listeners:
            listener(change)
