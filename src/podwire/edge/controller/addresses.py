"""Keep the Service and the EndpointSlices of each Gateway, and read its addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.edge.controller import gateway_service
from podwire.edge.controller.gateway_service import GATEWAY_LABEL, GatewayFront
from podwire.edge.gateway.index import Index
from podwire.kube.gateway_api import GROUP
from podwire.kube.kinds import ENDPOINT_SLICES, SERVICES
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.services import Service

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.edge.controller.live_objects import LiveObjects
    from podwire.edge.controller.owned_objects import OwnedObjects
    from podwire.kube.core import Pod
    from podwire.kube.kinds import Kind
    from podwire.kube.watch import Change


def owner_of(item: Object) -> NamespacedName | None:
    """Return the Gateway that owns a generated object; None for any other object."""
    name = item.metadata.labels.get(GATEWAY_LABEL, "")
    for owner in item.metadata.owner_references:
        if owner.controller and owner.kind == "Gateway" and owner.api_version.startswith(f"{GROUP}/"):
            return NamespacedName(item.metadata.namespace, owner.name) if owner.name == name else None
    return None


def addresses_of(service: Service | None) -> tuple[str, ...]:
    """Return the addresses that the provider of load balancers gave to the Service: IP addresses and host names."""
    if service is None:
        return ()
    return tuple(filter(None, (one.ip or one.hostname for one in service.status.load_balancer.ingress)))


class Addresses:
    """The Services of all Gateways, written by the leader."""

    def __init__(self, objects: LiveObjects, owned: OwnedObjects) -> None:
        self._objects = objects
        self._owned = owned
        self._gateways: dict[NamespacedName, NamespacedName] = {}
        """Of each Service that this process wrote: its Gateway."""
        self._services: Index[NamespacedName, NamespacedName] = Index()
        """From a Gateway to the Services that it owns."""
        objects.subscribe(self._changed, lambda: None)

    def gateway_of(self, service: NamespacedName) -> NamespacedName | None:
        """Return the Gateway of a Service, also of a deleted one; None where this process did not write it."""
        return self._gateways.get(service)

    def service(self, key: NamespacedName) -> Service | None:
        """Return a Service."""
        return self._objects.services.get(key)

    async def provide(self, front: GatewayFront, pods: Iterable[Pod]) -> None:
        """Create the Service and the EndpointSlices, or give them their form. Raises ApiError.

        The first family of a Service cannot be changed: a Service with another than the Gateway's is deleted here, and
        created when its deletion has been seen.
        """
        key = gateway_service.name_of(front)
        self._gateways[key] = front.key
        current, only = self.service(key), gateway_service.only_family(front)
        if current is not None and current.metadata.deletion_timestamp:
            return
        if current is not None and only and current.spec.ip_families[:1] != (only,):
            await self._owned.delete(SERVICES, current)
            return
        await self._owned.apply(SERVICES, key, gateway_service.service(front), current)
        existing = self._objects.objects.endpoint_slices
        for name, body in gateway_service.slices(front, pods).items():
            slice_key = NamespacedName(key.namespace, name)
            await self._owned.apply(ENDPOINT_SLICES, slice_key, body, existing.get(slice_key))

    async def remove(self, gateway: NamespacedName, keep: NamespacedName | None = None) -> None:
        """Delete the Services of a Gateway but the one to keep; their slices go with them. Raises ApiError."""
        for key in sorted(self._services.owners(gateway)):
            if key != keep and (service := self.service(key)) is not None:
                self._gateways.pop(key, None)
                await self._owned.delete(SERVICES, service)

    def _changed(self, kind: Kind[Any], change: Change[Any]) -> None:
        item = change.item
        if change.new is None:
            self._owned.deleted(kind, item.key)
        if kind is SERVICES:
            gateway = owner_of(item) if change.new is not None else None
            self._services.replace(item.key, (gateway,) if gateway is not None else ())
