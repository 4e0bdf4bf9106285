"""The front of each Gateway: the Envoys of its class, its ports there, its Service. Written by the leader."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from podwire.edge.controller import gateway_service, programming
from podwire.edge.controller.addresses import Addresses, addresses_of
from podwire.edge.controller.fleets import CERTIFY_SECONDS
from podwire.edge.controller.gateway_service import GatewayFront
from podwire.edge.controller.proxy_moves import ProxyMoves
from podwire.edge.controller.unused_proxies import UnusedProxies
from podwire.edge.gateway.gateway_problems import desired_addresses
from podwire.edge.gateway.gateway_proxy import INGRESS, gateway_proxy, proxy_name
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
        self._moves = ProxyMoves()

    async def provide(self, item: Gateway, identity: Identity) -> float | None:
        """Create the Service of a Gateway and the Envoys of its proxy, or give them their form. Raises ApiError.

        Returns in how many seconds to call again, as Envoys still have a port that is not used any more; else None.
        """
        proxy = gateway_proxy(item, self._objects)
        await self._fleets.provide(identity, proxy.name, proxy.parameters)
        desired, known = ports_of(self._translation.states(item.key), proxy.parameters.options), self._ports[proxy.name]
        had = known.of_gateway(item.key)
        ports = known.require(desired)
        if len(known.of_gateway(item.key)) > len(had):
            self._touch((owner("Gateway", item.key),))
        serving = self._moves.serving(item.key, proxy.name, lambda: self._is_served(item.key, proxy.name))
        if serving != proxy.name:
            ports = self._ports[serving].numbers(item.key)
        front = _front(item, ports, proxy.parameters.external_traffic_policy)
        if ports:
            await self._addresses.provide(front, self._fleets.pods(serving))
        await self._addresses.remove(item.key, keep=gateway_service.name_of(front) if ports else None)
        return _sooner(self._moves.again(item.key), self.release(item.key, proxy.name, desired))

    def _is_served(self, gateway: NamespacedName, proxy: str) -> bool:
        """Whether every ready Envoy of a proxy has acknowledged all of a Gateway: listeners, hosts and backends."""
        usable = (one for one in self._translation.states(gateway) if one.is_usable)
        if not all(any(kind == LISTENER for kind, _ in self._translation.keys_of(one)) for one in usable):
            return False  # its port of the proxy is not derived yet
        keys = self._translation.keys(gateway, proxy)
        return not programming.pending(self._proxies.get(proxy), self._fleets.ready(proxy), keys)

    def release(
        self, gateway: NamespacedName, used_proxy: str = "", used: Collection[GatewayPort] = ()
    ) -> float | None:
        """Free the ports of a Gateway but those that it uses in its proxy; return when to call again, as `provide`."""
        needed = self._moves.needed(gateway) if used_proxy else frozenset()
        if not used_proxy:
            self._moves.remove(gateway)
        for one in self._translation.left(gateway) - needed:
            self._translation.retire(gateway, one)
            self._touch(())
        left = False
        for name, known in self._ports.items():
            proxy = self._proxies.get(name)
            for port in known.of_gateway(gateway):
                if (name == used_proxy and port in used) or (name != used_proxy and name in needed):
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
        used |= self._moves.proxies()
        due, again = self._unused.due(self._fleets.proxies(), used)
        for proxy in due:
            await self._fleets.remove(proxy)
        self._forget(used)
        await self._fleets.certify(identity)
        return CERTIFY_SECONDS if again is None else min(again, CERTIFY_SECONDS)

    def _forget(self, used: Collection[str]) -> None:
        """Stop serving the proxies without Gateways and without Envoys."""
        for proxy in self._proxies.all():
            if proxy.name != INGRESS and proxy.name not in used and not proxy.envoys():
                self._proxies.remove(proxy.name)
                self._translation.remove(proxy.name)


def _sooner(first: float | None, second: float | None) -> float | None:
    return min((one for one in (first, second) if one is not None), default=None)


def _front(item: Gateway, ports: gateway_service.Ports, policy: TrafficPolicy = TrafficPolicy.CLUSTER) -> GatewayFront:
    infrastructure = item.spec.infrastructure
    return GatewayFront(
        NamespacedName(item.metadata.namespace, item.metadata.name),
        item.metadata.uid,
        item.spec.gateway_class_name,
        ports,
        desired_addresses(item),
        infrastructure.labels,
        infrastructure.annotations,
        policy,
    )
