"""Which of the networks that ClusterNetworkPolicies name hold all pods of their family, and which hold some. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.policy.model import IPAddress, IPNetwork


class PodNetworks:
    """Pods' addresses against networks; without networks no address is kept."""

    def __init__(self) -> None:
        self._addresses: set[IPAddress] = set()
        self._policies: Counter[IPNetwork] = Counter()
        """How many policies name a network that may hold some pods and not others."""
        self._outside: dict[IPNetwork, int] = {}

    def name(self, networks: Iterable[IPNetwork], addresses: Iterable[IPAddress]) -> None:
        """One more policy names these networks; `addresses` are all pods' now."""
        partial = [network for network in networks if network.prefixlen]
        if partial and not self._policies:
            self._addresses = set(addresses)
        for network in partial:
            if not self._policies[network]:
                self._outside[network] = sum(not _holds(network, address) for address in self._addresses)
            self._policies[network] += 1

    def unname(self, networks: Iterable[IPNetwork]) -> None:
        """One policy less names them."""
        for network in networks:
            if network.prefixlen:
                self._policies[network] -= 1
                if not self._policies[network]:
                    del self._policies[network], self._outside[network]
        if not self._policies:
            self._addresses.clear()

    def moved(self, addresses: Iterable[tuple[IPAddress, bool]]) -> set[IPNetwork]:
        """These addresses are a pod's now, or are not; return the networks of which another part of the pods is inside.

        An address that keeps a pod may have another one now, so a network that holds it is among them too.
        """
        changed: set[IPNetwork] = set()
        if not self._policies:
            return changed
        for address, present in addresses:
            step = int(present) - int(address in self._addresses)
            if present:
                self._addresses.add(address)
            else:
                self._addresses.discard(address)
            changed |= self._counted(address, step)
        return changed

    def holds_all(self, network: IPNetwork) -> bool:
        """Whether all pods' addresses of the network's family are in it."""
        return not network.prefixlen or not self._outside.get(network, 1)

    def inside(self, network: IPNetwork) -> list[IPAddress]:
        """The pods' addresses in the network."""
        return [address for address in self._addresses if address in network]

    def _counted(self, address: IPAddress, step: int) -> set[IPNetwork]:
        changed: set[IPNetwork] = set()
        for network, outside in self._outside.items():
            if not _holds(network, address):
                self._outside[network] = outside + step
                if not outside or not outside + step:
                    changed.add(network)
            elif outside and address.version == network.version:
                changed.add(network)
        return changed


def _holds(network: IPNetwork, address: IPAddress) -> bool:
    """Whether the network holds the address, or has no part of its family."""
    return address.version != network.version or address in network
