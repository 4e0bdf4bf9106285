"""Builders for DNS tests: Services, slices and a zone that holds their records; questions by dnspython."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rdatatype
import msgspec

from podwire.dns.authority import Authority
from podwire.dns.kept import Keeper, KeptService, KeptSlice
from podwire.dns.owner import DOMAIN, Owner
from podwire.dns.responder import ClusterResponder, zone_responder
from podwire.dns.rows import Domain, Row, records, rows
from podwire.dns.sink import Zone
from podwire.engine.reconcile import Reconciler
from podwire.kube.discovery import (
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.services import Service, ServicePort, ServiceSpec

RANGES = ("10.244.0.0/16", "10.96.0.0/16", "fd00:10:244::/56", "fd00:10:96::/112")


def service(name: str, *addresses: str, namespace: str = "shop", **spec: object) -> Service:
    """A Service with these cluster addresses; "None" makes it headless."""
    first = addresses[0] if addresses else ""
    ports = (ServicePort(port=80, name="http"), ServicePort(port=53, name="dns", protocol="UDP"), ServicePort(port=9))
    whole = ServiceSpec(cluster_ip=first, cluster_ips=addresses, ports=ports)
    return Service(
        metadata=ObjectMeta(name=name, namespace=namespace),
        spec=msgspec.structs.replace(whole, **spec),
    )


def slice_of(
    name: str, *endpoints: Endpoint, namespace: str = "shop", part: str = "1", family: str = "IPv4"
) -> EndpointSlice:
    """One part of a Service's endpoints."""
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{name}-{part}", namespace=namespace, labels={SERVICE_NAME_LABEL: name}),
        address_type=family,
        endpoints=endpoints,
        ports=(EndpointPort(name="http", port=8080), EndpointPort(port=9), EndpointPort(name="any")),
    )


def endpoint(address: str, hostname: str = "", *, ready: bool = True, ending: bool = False) -> Endpoint:
    """A backend; one that is ending still serves."""
    conditions = EndpointConditions(ready=False, serving=True, terminating=True) if ending else None
    return Endpoint(addresses=(address,), hostname=hostname, conditions=conditions or EndpointConditions(ready=ready))


@dataclass
class Objects:
    """A View of objects given one by one."""

    services: dict[NamespacedName, KeptService] = field(default_factory=dict)
    parts: dict[NamespacedName, KeptSlice] = field(default_factory=dict)
    keeper: Keeper = field(default_factory=Keeper)
    namespaces: set[str] = field(default_factory=lambda: {"shop"})

    @classmethod
    def of(cls, *items: Service | EndpointSlice) -> Objects:
        """All these objects."""
        view = cls()
        for item in items:
            view.put(item)
        return view

    def put(self, item: Service | EndpointSlice) -> Owner:
        """Add or replace an object; answers the owner whose records it may change."""
        if isinstance(item, Service):
            self.services[item.key] = self.keeper.service(item)
            return Owner(item.key.namespace, item.key.name)
        self.parts[item.key] = self.keeper.endpoint_slice(item)
        return Owner(item.service.namespace, item.service.name)

    def service(self, key: NamespacedName) -> KeptService | None:
        return self.services.get(key)

    def slices(self, key: NamespacedName) -> Collection[KeptSlice]:
        return [part for part in self.parts.values() if part.service == key]

    def has_namespace(self, name: str) -> bool:
        return name in self.namespaces

    def owners(self) -> set[Owner]:
        """Everybody who may ask for records."""
        keys = set(self.services) | {part.service for part in self.parts.values()}
        return {DOMAIN} | {Owner(name) for name in self.namespaces} | {Owner(k.namespace, k.name) for k in keys}


DOMAIN_OF_TESTS = Domain("cluster.local", RANGES)


def texts(view: Objects, owner: Owner) -> set[str]:
    """An owner's records as text."""
    return {str(record) for record in records(owner, view, DOMAIN_OF_TESTS)}


def zone_of(view: Objects) -> Zone:
    """A zone that the engine filled from these objects."""
    zone = Zone()
    reconciler: Reconciler[Owner, Row] = Reconciler("test", lambda owner: rows(owner, view, DOMAIN_OF_TESTS), zone)
    reconciler.touch(*view.owners())
    asyncio.run(reconciler.turn())
    return zone


def responder_of(*items: Service | EndpointSlice) -> ClusterResponder:
    """A ready server of these objects, without upstream servers."""
    return zone_responder(Authority(zone_of(Objects.of(*items))))


def say(responder: ClusterResponder, message: dns.message.Message, *, stream: bool = False) -> dns.message.Message:
    """What the server answers at once, read by dnspython."""
    wire = responder.answer(message.to_wire(), stream=stream)
    assert isinstance(wire, bytes)
    answer = dns.message.from_wire(wire)
    assert message.is_response(answer)
    return answer


def ask(responder: ClusterResponder, name: str, kind: str = "A", **options: object) -> dns.message.Message:
    """Ask one question."""
    return say(responder, dns.message.make_query(name, kind, **options))  # type: ignore[arg-type]


def found(answer: dns.message.Message) -> set[str]:
    """The data of the answer section."""
    return {data.to_text() for rrset in answer.answer for data in rrset}
