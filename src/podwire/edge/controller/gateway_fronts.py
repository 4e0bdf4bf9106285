"""The front of each Gateway: the Envoys of its class, its ports there, its Service. Written by the leader."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from podwire.edge.controller import gateway_service
from podwire.edge.controller.addresses import Addresses, addresses_of
from podwire.edge.controller.fleets import CERTIFY_SECONDS
from podwire.edge.controller.gateway_service import GatewayFront
from podwire.edge.controller.unused_proxies import UnusedProxies
from podwire.edge.gateway.gateway_problems import wanted_addresses
from podwire.edge.gateway.gateway_proxy import gateway_proxy, proxy_name
from podwire.edge.gateway.owners import Owner, owner
from podwire.edge.gateway.port_listeners import ports_of
from podwire.edge.xds.resource import LISTENER
from podwire.kube.backend_choice import TrafficPolicy
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from podwire.edge.controller.fleets import Fleets
    from podwire.edge.controller.identity import Identity
    from podwire.edge.controller.proxy_ports import ProxyPorts
    from podwire.edge.controller.translation import Translation
    from podwire.edge.gateway.kinds.gateway import Gateway
    from podwire.edge.gateway.objects import Objects
    from podwire.edge.model.listeners import GatewayPort
    from podwire.edge.xds.proxy import Proxies


RELEASE_SECONDS = 5.0
"""Until a port that Envoys still have is looked at again."""


class GatewayFronts:
    """`touch` derives owners again: a Gateway that has got a port."""

    def __init__(
        self,
        objects: Objects,
        translation: Translation,
        proxies: Proxies,
        ports: Mapping[str, ProxyPorts],
        fleets: Fleets,
        addresses: Addresses,
        touch: Callable[[Iterable[Owner]], None],
    ) -> None:
        self._objects = objects
        self._translation = translation
        self._proxies = proxies
        self._ports = ports
        self._fleets = fleets
        self._addresses = addresses
        self._touch = touch
        self._unused = UnusedProxies()

    async def provide(self, item: Gateway, identity: Identity) -> float | None:
        """Create the Service of a Gateway and the Envoys of its proxy, or give them their form. Raises ApiError.

        Returns in how many seconds to call again, as Envoys still have a port that is not used any more; else None.
        """
        proxy = gateway_proxy(item, self._objects)
        await self._fleets.provide(identity, proxy.name, proxy.parameters)
        wanted, known = ports_of(self._translation.states(item.key), proxy.parameters.options), self._ports[proxy.name]
        had = known.of_gateway(item.key)
        ports = known.require(wanted)
        if len(known.of_gateway(item.key)) > len(had):
            self._touch((owner("Gateway", item.key),))
        front = _front(item, ports, proxy.parameters.external_traffic_policy)
        if ports:
            await self._addresses.provide(front, self._fleets.pods(proxy.name))
        await self._addresses.remove(item.key, keep=gateway_service.name_of(front) if ports else None)
        return self.release(item.key, proxy.name, wanted)

    def release(
        self, gateway: NamespacedName, used_proxy: str = "", used: Collection[GatewayPort] = ()
    ) -> float | None:
        """Free the ports of a Gateway but those that it uses in its proxy; return when to call again, as `provide`."""
        left = False
        for name, known in self._ports.items():
            proxy = self._proxies.get(name)
            for port in known.of_gateway(gateway):
                if name == used_proxy and port in used:
                    continue
                if proxy is not None and proxy.lacking([(LISTENER, str(port))]):
                    left = True  # an Envoy still listens
                else:
                    known.release(port)
        return RELEASE_SECONDS if left else None

    def addresses(self, item: Gateway) -> tuple[str, ...]:
        """Return the addresses that a Gateway has got."""
        return addresses_of(self._addresses.service(gateway_service.name_of(_front(item, {}))))

    def ready(self, proxy: str) -> frozenset[str]:
        """Return the names of the Envoys that serve: ready, and not about to end."""
        return self._fleets.ready(proxy)

    async def tend(self, identity: Identity) -> float:
        """Delete the Envoys of proxies that no Gateway uses any more, and replace certificates at half of their life.

        Returns in how many seconds to call again. Raises ApiError.
        """
        used = {proxy_name(one) for one in self._objects.gateways.values() if self._objects.is_ours(one)}
        due, again = self._unused.due(self._fleets.proxies(), used)
        for proxy in due:
            await self._fleets.remove(proxy)
        await self._fleets.certify(identity)
        return CERTIFY_SECONDS if again is None else min(again, CERTIFY_SECONDS)


def _front(item: Gateway, ports: gateway_service.Ports, policy: TrafficPolicy = TrafficPolicy.CLUSTER) -> GatewayFront:
    infrastructure = item.spec.infrastructure
    return GatewayFront(
        NamespacedName(item.metadata.namespace, item.metadata.name),
        item.metadata.uid,
        item.spec.gateway_class_name,
        ports,
        wanted_addresses(item),
        infrastructure.labels,
        infrastructure.annotations,
        policy,
    )
