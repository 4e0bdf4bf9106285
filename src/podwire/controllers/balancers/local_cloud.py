"""The local cloud: a provider of load balancers on the cluster's own nodes, with a public and an internal subnet.

Each node serves the addresses itself, as those of any Service (ipMode VIP), and one of the ready nodes announces each
of them. So the provider only gives out addresses, and its memory is the status of the Services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.controllers.balancers.ledger import AddressLedger
from podwire.controllers.balancers.pools import BalancerPools, subnets
from podwire.controllers.balancers.provider import BalancerError, Ensured
from podwire.controllers.balancers.request import AddressRequest, age, request
from podwire.kube.addresses import usable
from podwire.kube.services import LoadBalancerIngress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from podwire.kube.addresses import IPAddress
    from podwire.kube.core import Node
    from podwire.kube.services import Service

LOCAL_CLASS = "podwire.dev/local"


class LocalCloud:
    """A provider with these pools. Raises ValueError for pools that are invalid."""

    balancer_class = LOCAL_CLASS

    def __init__(self, pools: BalancerPools) -> None:
        self._subnets = subnets(pools)
        self._ledger = AddressLedger(self._subnets)

    async def start(self, services: Iterable[Service]) -> None:
        """Give the Services what their status has, the oldest first, then addresses to those that have none."""
        self._ledger = AddressLedger(self._subnets)
        oldest_first = sorted(services, key=age)
        for service in oldest_first:
            addresses = tuple(_addresses(service))
            self._ledger.restore(self._lenient(service, addresses), addresses)
        for service in oldest_first:
            try:
                if service.metadata.deletion_timestamp is None and service.spec.type == "LoadBalancer":
                    self._ledger.claim(request(service))
            except BalancerError:
                continue  # reported by `ensure`

    async def ensure(self, service: Service, _nodes: Sequence[Node]) -> Ensured:
        """Return the addresses of the Service. Raises BalancerError with the reason AllocationFailed."""
        try:
            claim = self._ledger.claim(request(service))
        except BalancerError as error:
            error.remaining = _ingress(self._ledger.addresses(service.metadata.uid))
            raise
        return Ensured(_ingress(claim.addresses), claim.missing)

    async def update(self, _service: Service, _nodes: Sequence[Node]) -> bool:
        """Return False: the nodes' agents follow Nodes themselves."""
        return False

    async def delete(self, service: Service) -> bool:
        """Release the addresses of the Service."""
        return self._ledger.release(service.metadata.uid)

    def _lenient(self, service: Service, addresses: Sequence[IPAddress]) -> AddressRequest:
        """Return the request; where it is invalid one that lets the Service keep what it has."""
        try:
            return request(service)
        except BalancerError:
            internal = any(address in self._subnets.internal for address in addresses)
            families = tuple(f"IPv{address.version}" for address in addresses)
            return AddressRequest(service.metadata.uid, service.key, age(service), families, internal=internal)


def _ingress(addresses: Iterable[IPAddress]) -> tuple[LoadBalancerIngress, ...]:
    return tuple(LoadBalancerIngress(ip=str(address), ip_mode="VIP") for address in addresses)


def _addresses(service: Service) -> Iterable[IPAddress]:
    """Those of the status; host names and whatever else another provider has written are left out."""
    found = (usable(entry.ip) for entry in service.status.load_balancer.ingress)
    return (address for address in found if address is not None)
