"""Which Service has which addresses of the local cloud. No I/O.

An address belongs to one Service, or to several that may share it. A Service keeps what it has while that is allowed;
otherwise it gets the address that it requests, one that it may share, or the lowest free one. So after a restart, when
the ledger is filled from the Services' status in order of their age, every Service has what it had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.controllers.balancers.provider import BalancerError
from podwire.controllers.balancers.request import AddressRequest, allocation_error
from podwire.kube.services import BALANCER_IPS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.controllers.balancers.pools import IPNetwork, Subnets
    from podwire.kube.addresses import IPAddress

INTERNAL_HINT = "service.beta.kubernetes.io/aws-load-balancer-scheme: internal"


class Claim(msgspec.Struct, frozen=True):
    """The addresses of a Service, and why one is missing that it can do without."""

    addresses: tuple[IPAddress, ...]
    missing: str = ""


class _Holding(msgspec.Struct):
    """The addresses of one Service by family, and the request that they were given for."""

    request: AddressRequest
    addresses: dict[str, IPAddress] = msgspec.field(default_factory=dict)


class AddressLedger:
    """All addresses that are given out."""

    def __init__(self, subnets: Subnets) -> None:
        self._subnets = subnets
        self._holdings: dict[str, _Holding] = {}
        self._holders: dict[IPAddress, dict[str, AddressRequest]] = {}
        self._lowest: dict[IPNetwork, int] = {}

    def addresses(self, uid: str) -> tuple[IPAddress, ...]:
        """Return the addresses of a Service, in the order of its families; none for one that has none."""
        holding = self._holdings.get(uid)
        return () if holding is None else tuple(holding.addresses.values())

    def restore(self, request: AddressRequest, addresses: Iterable[IPAddress]) -> None:
        """Give a Service the addresses of its status, but for those that it may not have."""
        found = {family_of(address): address for address in addresses}
        kept = {name: address for name, address in found.items() if not self._conflict(request, address)}
        self._hold(request, {family: kept[family] for family in request.families if family in kept})

    def claim(self, request: AddressRequest) -> Claim:
        """Give a Service its addresses, which it has until its next claim or its release.

        Raises BalancerError where it cannot have what it requests: it then has what it had, as far as allowed.
        """
        had = self._holdings[request.uid].addresses if request.uid in self._holdings else {}
        kept = {name: address for name, address in had.items() if not self._conflict(request, address)}
        given: dict[str, IPAddress] = {}
        missing: list[BalancerError] = []
        for family in request.families:
            try:
                given[family] = self._choose(request, family, kept.get(family))
            except BalancerError as error:
                missing.append(error)
        if missing and (not request.partial or not given):
            self._hold(request, {family: kept[family] for family in request.families if family in kept})
            raise missing[0]
        self._hold(request, given)
        return Claim(tuple(given.values()), str(missing[0]) if missing else "")

    def release(self, uid: str) -> bool:
        """Take back the addresses of a Service; return whether it had any."""
        holding = self._holdings.pop(uid, None)
        if holding is None:
            return False
        for address in holding.addresses.values():
            self._holders[address].pop(uid)
            if not self._holders[address]:
                self._free(address)
        return bool(holding.addresses)

    def _free(self, address: IPAddress) -> None:
        del self._holders[address]
        for internal in (False, True):
            network = self._subnets.of(internal=internal).network_of(address)
            if network in self._lowest:
                self._lowest[network] = min(self._lowest[network], int(address))

    def _hold(self, request: AddressRequest, addresses: dict[str, IPAddress]) -> None:
        self.release(request.uid)
        self._holdings[request.uid] = _Holding(request, addresses)
        for address in addresses.values():
            self._holders.setdefault(address, {})[request.uid] = request

    def _choose(self, request: AddressRequest, family: str, current: IPAddress | None) -> IPAddress:
        desired = next((address for address in request.addresses if family_of(address) == family), None)
        if desired is not None:
            if conflict := self._conflict(request, desired):
                raise allocation_error(f"address {desired} {conflict}")
            return desired
        subnet = self._subnets.of(internal=request.internal)
        chosen = current or self._to_share(request, family)
        chosen = chosen or subnet.first_free(family, self._holders, self._lowest)
        if chosen is None:
            raise self._exhausted(request, family)
        return chosen

    def _to_share(self, request: AddressRequest, family: str) -> IPAddress | None:
        """Return the lowest address that the Service may share with others; None where it shares with none."""
        if not request.sharing.key:
            return None
        candidates = [
            address
            for address in self._holders
            if family_of(address) == family and not self._conflict(request, address)
        ]
        return min(candidates, key=int, default=None)

    def _conflict(self, request: AddressRequest, address: IPAddress) -> str:
        """Return why the Service may not have the address, with the remedy; empty where it may."""
        subnet = self._subnets.of(internal=request.internal)
        if address not in subnet:
            return self._outside(request, address)
        for uid, holder in self._holders.get(address, {}).items():
            reason = request.sharing.conflict(holder.sharing) if uid != request.uid else ""
            if reason:
                return (
                    f"is in use by Service {holder.service}: {reason}; request another address, or let both Services "
                    "share it"
                )
        return ""

    def _outside(self, request: AddressRequest, address: IPAddress) -> str:
        own, other = ("internal", "public") if request.internal else ("public", "internal")
        place = f"is outside of the {own} pool ({self._subnets.of(internal=request.internal)})"
        if address not in self._subnets.of(internal=not request.internal):
            return f"{place}; request an address of the pool in {BALANCER_IPS}, or none"
        remedy = (
            "remove the annotation for an internal one" if request.internal else f"annotate it with {INTERNAL_HINT}"
        )
        return f"{place} but in the {other} one; for an {other} load balancer {remedy}"

    def _exhausted(self, request: AddressRequest, family: str) -> BalancerError:
        subnet, kind = self._subnets.of(internal=request.internal), "internal" if request.internal else "public"
        if not subnet.has_family(family):
            return allocation_error(
                f"the {kind} pool ({subnet}) has no {family} network; add one, or take {family} out of spec.ipFamilies"
            )
        return allocation_error(
            f"no {family} address is left in the {kind} pool ({subnet}): delete a Service of type LoadBalancer, share "
            "an address, or enlarge the pool"
        )


def family_of(address: IPAddress) -> str:
    """Return IPv4 or IPv6."""
    return f"IPv{address.version}"
