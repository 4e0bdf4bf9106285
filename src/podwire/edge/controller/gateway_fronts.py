"""The front of each Gateway: the Envoys of its class, its ports there, its Service. Written by the leader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from podwire.edge.controller import gateway_service
from podwire.edge.controller.addresses import Addresses, addresses_of
from podwire.edge.controller.gateway_service import GatewayFront, is_ready
from podwire.edge.gateway.gateway_problems import wanted_addresses
from podwire.edge.gateway.owners import Owner, owner
from podwire.edge.gateway.port_listeners import ports_of
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from podwire.edge.controller.fleets import Fleets
    from podwire.edge.controller.identity import Identity
    from podwire.edge.controller.proxy_ports import ProxyPorts
    from podwire.edge.controller.translation import Translation
    from podwire.edge.gateway.kinds.gateway import Gateway


class GatewayFronts:
    """`touch` derives owners again: a Gateway that has got a port."""

    def __init__(
        self,
        translation: Translation,
        ports: Mapping[str, ProxyPorts],
        fleets: Fleets,
        addresses: Addresses,
        touch: Callable[[Iterable[Owner]], None],
    ) -> None:
        self._translation = translation
        self._ports = ports
        self._fleets = fleets
        self._addresses = addresses
        self._touch = touch

    async def provide(self, item: Gateway, identity: Identity) -> None:
        """Create the Service of a Gateway and the Envoys of its class, or give them their form. Raises ApiError."""
        proxy = item.spec.gateway_class_name
        await self.provide_proxy(proxy, identity)
        states, known = self._translation.states(item.key), self._ports[proxy]
        had = known.of_gateway(item.key)
        ports = known.require(ports_of(states))
        if len(known.of_gateway(item.key)) > len(had):
            self._touch((owner("Gateway", item.key),))
        front = _front(item, ports)
        if ports:
            await self._addresses.provide(front, self._fleets.pods(proxy))
        await self._addresses.remove(item.key, keep=gateway_service.name_of(front) if ports else None)

    async def provide_proxy(self, proxy: str, identity: Identity) -> None:
        """Create the Envoys of a proxy, or give them their form. Raises ApiError."""
        await self._fleets.provide(identity, proxy)

    def addresses(self, item: Gateway) -> tuple[str, ...]:
        """Return the addresses that a Gateway has got."""
        return addresses_of(self._addresses.service(gateway_service.name_of(_front(item, {}))))

    def ready(self, proxy: str) -> frozenset[str]:
        """Return the names of the Envoys that serve: ready, and not about to end."""
        pods = self._fleets.pods(proxy)
        return frozenset(one.metadata.name for one in pods if is_ready(one) and not one.metadata.deletion_timestamp)


def _front(item: Gateway, ports: gateway_service.Ports) -> GatewayFront:
    infrastructure = item.spec.infrastructure
    return GatewayFront(
        NamespacedName(item.metadata.namespace, item.metadata.name),
        item.metadata.uid,
        item.spec.gateway_class_name,
        ports,
        wanted_addresses(item),
        infrastructure.labels,
        infrastructure.annotations,
    )
