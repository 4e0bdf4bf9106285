"""Services and EndpointSlices of tests, small enough to read, and feeds that tell of their changes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from podwire.kube.core import (
    ZONE_LABEL,
    Container,
    ContainerPort,
    Node,
    NodeAddress,
    NodeStatus,
    Pod,
    PodIP,
    PodSpec,
    PodStatus,
)
from podwire.kube.discovery import (
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForZone,
)
from podwire.kube.meta import NamespacedName, Object, ObjectMeta
from podwire.kube.services import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    SessionAffinityConfig,
)
from podwire.kube.watch import Change
from podwire.services.node_view import NodeView

ObjectT = TypeVar("ObjectT", bound=Object)

NODE = NodeView("node-1", ("10.96.0.0/16", "fd00:10:96::/112"))


def port(text: str) -> tuple[str, str, int]:
    """Name, protocol and number of `http:tcp:80`, `udp:53` or `80`."""
    *words, number = text.split(":")
    protocol = words[-1].upper() if words else "TCP"
    return (words[0] if len(words) == 2 else ""), protocol, int(number)


def service(
    name: str,
    *addresses: str,
    ports: Sequence[str] = ("80",),
    node_ports: Sequence[int] = (),
    balanced: Sequence[str | LoadBalancerIngress] = (),
    labels: dict[str, str] | None = None,
    affinity: int = 0,
    **spec: object,
) -> Service:
    """A Service with these cluster addresses, node ports, addresses of load balancers and seconds of affinity."""
    numbers = (*node_ports, *[None] * len(ports))
    service_ports = tuple(
        ServicePort(port=n, name=name, protocol=p, node_port=node_port)
        for (name, p, n), node_port in zip(map(port, ports), numbers, strict=False)
    )
    if affinity:
        spec["session_affinity"] = "ClientIP"
        spec["session_affinity_config"] = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=affinity))
    ingress = tuple(LoadBalancerIngress(ip=one) if isinstance(one, str) else one for one in balanced)
    return Service(
        metadata=ObjectMeta(namespace="default", name=name, labels=labels or {}),
        spec=ServiceSpec(cluster_ip=addresses[0], cluster_ips=addresses, ports=service_ports, **spec),  # type: ignore[arg-type]
        status=ServiceStatus(load_balancer=LoadBalancerStatus(ingress=ingress)),
    )


def endpoint(
    address: str,
    ready: bool | None = True,
    *,
    serving: bool | None = None,
    terminating: bool | None = None,
    node: str = "node-2",
    zones: Sequence[str] = (),
) -> Endpoint:
    """One endpoint, on another node unless said otherwise; `zones` are its topology hints."""
    conditions = EndpointConditions(ready=ready, serving=serving, terminating=terminating)
    hints = EndpointHints(for_zones=tuple(ForZone(name=name) for name in zones))
    return Endpoint(addresses=(address,), conditions=conditions, node_name=node, hints=hints)


def slice_of(
    service_name: str, *endpoints: Endpoint | str, ports: Sequence[str] = ("8080",), name: str = "1"
) -> EndpointSlice:
    """A slice of a Service; an endpoint given as an address is ready."""
    whole = tuple(endpoint(one) if isinstance(one, str) else one for one in endpoints)
    return EndpointSlice(
        metadata=ObjectMeta(
            namespace="default", name=f"{service_name}-{name}", labels={SERVICE_NAME_LABEL: service_name}
        ),
        address_type="IPv6" if whole and ":" in whole[0].addresses[0] else "IPv4",
        endpoints=whole,
        ports=tuple(EndpointPort(name=name, protocol=p, port=n) for name, p, n in map(port, ports)),
    )


def pod_with_ports(name: str, *ports: ContainerPort, addresses: Sequence[str] = (), **spec: Any) -> Pod:
    """A running pod of node-1 with one container."""
    return Pod(
        metadata=ObjectMeta(namespace="default", name=name),
        spec=PodSpec(containers=(Container(name="c", ports=ports),), **{"node_name": NODE.name, **spec}),
        status=PodStatus(phase="Running", pod_ips=tuple(PodIP(ip=address) for address in addresses)),
    )


def node_at(*addresses: str, name: str = NODE.name, zone: str = "") -> Node:
    """A node with these addresses in this zone."""
    status = NodeStatus(addresses=tuple(NodeAddress(type="InternalIP", address=address) for address in addresses))
    labels = {ZONE_LABEL: zone} if zone else {}
    return Node(metadata=ObjectMeta(name=name, labels=labels), status=status)


class FakeFeed(Generic[ObjectT]):
    """An informer without a server: objects are put and removed by hand."""

    def __init__(self) -> None:
        self.synced = asyncio.Event()
        self.objects: dict[NamespacedName, ObjectT] = {}
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
            self._tell(Change(self.objects.get(item.key), item))
            self.objects[item.key] = item

    def remove(self, *items: ObjectT) -> None:
        for item in items:
            self._tell(Change(self.objects.pop(item.key), None))

    def _tell(self, change: Change[ObjectT]) -> None:
        for listener in self._listeners:
            listener(change)
