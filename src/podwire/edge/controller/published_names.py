"""The host names of Ingresses and Gateways with their addresses, for a DNS server outside of the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import AnyRoute
from podwire.edge.gateway.serving import Route
from podwire.edge.ingress.servers import Claim
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from podwire.edge.gateway.kinds.gateway import Gateway

Names = Mapping[str, tuple[str, ...]]
"""IP addresses by host name."""
SETTLE_SECONDS = 0.5
"""At least so long between two derivations, each of all names; the first change after it is published at once."""


class PublishedNames:
    """Publishes all names after changes of the objects: `changed` is called with each."""

    def __init__(self, objects: Objects, claims: Mapping[NamespacedName, Claim]) -> None:
        self._objects = objects
        self._claims = claims
        self._changed = asyncio.Event()

    def changed(self, _: object) -> None:
        """Take note that some object is different."""
        self._changed.set()

    async def run(self, publish: Callable[[Names], None]) -> None:
        """Call `publish` with all names once they are different, until cancelled."""
        before: Names | None = None
        while True:
            self._changed.clear()
            found = names(self._objects, self._claims.values())
            if found != before:
                publish(found)
                before = found
            await asyncio.sleep(SETTLE_SECONDS)
            await self._changed.wait()


def names(objects: Objects, claims: Iterable[Claim]) -> Names:
    """Return the names that have an address; one that several objects have is the first's. Wildcards are left out.

    One that an Ingress and a Gateway have is the Ingress's: its clients move when it has the host no longer.
    """
    found: dict[str, tuple[str, ...]] = {}
    for claim in sorted(claims, key=lambda one: one.age):
        addresses = tuple(one.ip for one in claim.item.status.load_balancer.ingress if one.ip)
        for name in hosts_of(claim):
            _add(found, name, addresses)
    for name, gateway in gateway_hosts(objects):
        _add(found, name, _addresses(gateway))
    return found


def hosts_of(claim: Claim) -> Iterator[str]:
    """Yield the hosts of an Ingress in lower case, with those of `server-alias`."""
    yield from (name.lower() for name in (*claim.hosts, *claim.settings.server_alias) if name)


def gateway_hosts(objects: Objects) -> Iterator[tuple[str, Gateway]]:
    """Yield the hosts of this controller's Gateways in lower case: of listeners, and of routes that are accepted."""
    for key, gateway in sorted(objects.gateways.items()):
        if objects.is_ours(gateway):
            yield from ((one.hostname.lower(), gateway) for one in gateway.spec.listeners if one.hostname)
            for _, route in objects.routes_of("Gateway", key):
                for name in _hostnames(route, key, objects.controller):
                    yield name.lower(), gateway


def _add(found: dict[str, tuple[str, ...]], name: str, addresses: tuple[str, ...]) -> None:
    if name and "*" not in name and addresses:
        found.setdefault(name, addresses)


def _addresses(gateway: Gateway) -> tuple[str, ...]:
    return tuple(one.value for one in gateway.status.addresses if one.type in {None, "IPAddress"})


def _hostnames(route: AnyRoute, gateway: NamespacedName, controller: str) -> Iterator[str]:
    """Yield the hostnames of a route that this Gateway has accepted."""
    if not isinstance(route, Route):
        return
    for parent in route.status.parents:
        accepted = any(one.type == "Accepted" and one.status == "True" for one in parent.conditions)
        reference = parent.parent_ref
        if (
            parent.controller_name == controller
            and accepted
            and reference.parent_kind == "Gateway"
            and reference.key(route.metadata.namespace) == gateway
        ):
            yield from route.spec.hostnames
