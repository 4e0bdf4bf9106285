"""Hosts that Ingresses and Gateways both have: each serves them at an address of its own, and DNS decides which."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from podwire.edge.controller.published_names import gateway_hosts, hosts_of
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.servers import Claim
from podwire.kube.meta import NamespacedName

SETTLE_SECONDS = 1.0
"""Between two derivations, each of all hosts."""
REASON = "HostOnGateway"
Shared = Mapping[str, tuple[NamespacedName, ...]]
"""The Gateways that have a host, by host."""


class SharedHosts:
    """Follows the objects: `changed` is called with each change, `touch` with the Ingresses that are affected."""

    def __init__(
        self,
        objects: Objects,
        claims: Mapping[NamespacedName, Claim],
        touch: Callable[[Iterable[NamespacedName]], None],
    ) -> None:
        self._objects = objects
        self._claims = claims
        self._touch = touch
        self._found: Shared = {}
        self._changed = asyncio.Event()

    def changed(self, _: object) -> None:
        """Record that some object is different."""
        self._changed.set()

    def messages(self, claim: Claim) -> tuple[str, ...]:
        """Return the text of an event for each host of an Ingress that a Gateway has too."""
        return tuple(_message(host, self._found[host]) for host in hosts_of(claim) if host in self._found)

    async def run(self) -> None:
        """Derive the shared hosts after changes, until cancelled."""
        self._changed.set()
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            before, self._found = self._found, shared(self._objects, self._claims.values())
            different = {one for one in before.keys() | self._found.keys() if before.get(one) != self._found.get(one)}
            if different:
                self._touch([key for key, claim in self._claims.items() if different & set(hosts_of(claim))])


def shared(objects: Objects, claims: Iterable[Claim]) -> Shared:
    """Return the hosts of Ingresses that listeners or accepted routes of this controller's Gateways have, too."""
    if not objects.gateways:
        return {}
    own = {host for claim in claims for host in hosts_of(claim)}
    found: dict[str, set[NamespacedName]] = {}
    for host, gateway in gateway_hosts(objects):
        if host in own:
            found.setdefault(host, set()).add(gateway.key)
    return {host: tuple(sorted(keys)) for host, keys in found.items()}


def _message(host: str, gateways: tuple[NamespacedName, ...]) -> str:
    names = ", ".join(map(str, gateways))
    return (
        f"{host} is a host of Gateway {names} too. Both serve it, at an address of their own: DNS decides which of them"
        " clients reach. Remove the host from one of them once all clients use the other"
    )
