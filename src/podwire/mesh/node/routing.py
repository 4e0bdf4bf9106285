"""Routes on Services for the Envoy of a node: tables, clusters and endpoints, and which Services are led to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from podwire.edge.controller.derivation_faults import DerivationFaults
from podwire.edge.controller.row_table import Difference, RowTable
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.backends import Cluster, Endpoints, ServicePort, Transport
from podwire.kube.addresses import IPAddress, usable
from podwire.kube.meta import NamespacedName
from podwire.mesh.envoy import routed_rows
from podwire.mesh.envoy.routed import RoutedService
from podwire.mesh.informers.route_objects import RouteObjects
from podwire.mesh.routes.frontends import Frontend
from podwire.mesh.routes.localities import Place
from podwire.mesh.routes.service_routes import ServiceRoutes

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.services import Service


class Routing:
    """What follows from routes and policies of Services. `changed` is called when `update` has something to do."""

    def __init__(self, client: Client, node: str, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._dirty: set[Owner] = set()
        self.live = RouteObjects(client, self._take, lambda _: None)
        self._routes = ServiceRoutes(self.live.objects, self.live.policies)
        self._place = Place(node)
        made_of = partial(routed_rows.resources, node=node)
        self.table = RowTable(self._endpoints, DerivationFaults(), made_of)
        self._pods: frozenset[IPAddress] = frozenset()
        self._local: set[NamespacedName] = set()
        """Services with endpoints on this node."""
        self.services: dict[NamespacedName, tuple[RoutedService, ...]] = {}
        """By Service: its ports with routes or policies."""
        self.ports: tuple[RoutedService, ...] = ()
        """The same in the order of the Services' names."""

    def difference(self) -> Difference:
        """Return what is different since the last call in clusters, endpoints and virtual hosts."""
        return self.table.difference()

    def update(self, pods: frozenset[IPAddress]) -> None:
        """Derive what depends on changed objects again. `pods`: addresses of the pods of the node that are known."""
        owners, self._dirty = frozenset(self._dirty), set()
        changes = self._routes.update(owners)
        for source, rows in changes.rows.items():
            self.table.replace(source, rows)
        services = {one.key for one in owners if one.kind == "Service"}
        local = frozenset(self._local) if pods != self._pods else frozenset()
        self._pods = pods
        for service in services | local:
            self.table.endpoints_changed(service)
        served = services | {one.key for one in changes.rows if isinstance(one, Frontend)}
        changed = {one for one in served if self._serve(one)}
        if changed:
            self.ports = tuple(one for _, found in sorted(self.services.items()) for one in found)

    def _endpoints(self, port: ServicePort) -> Endpoints:
        """Return the endpoints of a port but for pods of this node that are not known, as their policies are not."""
        found, node = self._routes.endpoints(port, self._place), self._place.node
        service = NamespacedName(port.namespace, port.service)
        if not any(one.node == node for one in found.endpoints):
            self._local.discard(service)
            return found
        self._local.add(service)
        kept = tuple(one for one in found.endpoints if one.node != node or usable(one.address) in self._pods)
        return msgspec.structs.replace(found, endpoints=kept)

    def _take(self, owners: Iterable[Owner]) -> None:
        self._dirty.update(owners)
        self._changed()

    def _serve(self, service: NamespacedName) -> bool:
        """Record the ports of a Service with routes, where clients without a table are passed on as they are.

        Return whether they are others than before.
        """
        item = self.live.objects.services.get(service)
        addresses = tuple(_addresses(item))
        ports: list[RoutedService] = []
        passed: list[Cluster] = []
        for port, group in groupby(self._routes.frontends(service) if addresses else (), lambda one: one.port):
            tables, others = tuple(group), ""
            if all(one.client for one in tables):
                passed.append(Cluster(ServicePort(service.namespace, service.name, port), Transport.TCP))
                others = passed[-1].name
            ports.append(RoutedService(addresses, tables, others))
        self.table.replace(("passed", service), passed)
        before = self.services.pop(service, ())
        if ports:
            self.services[service] = tuple(ports)
        return before != tuple(ports)


def _addresses(service: Service | None) -> Iterator[IPAddress]:
    texts = () if service is None else service.addresses
    return (address for address in map(usable, texts) if address is not None)
