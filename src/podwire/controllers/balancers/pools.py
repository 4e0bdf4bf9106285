"""The subnets from which the local cloud provider gives addresses to load balancers. Pure."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Container, MutableMapping

import msgspec

from podwire.kube.addresses import IPAddress

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class BalancerPools(msgspec.Struct, frozen=True):
    """Networks in CIDR notation, IPv4 and IPv6 mixed; they are used in order.

    `public` ones are reachable from outside of the cluster, `internal` ones from its nodes and pods only.
    """

    public: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()


class Subnet(msgspec.Struct, frozen=True):
    """Networks of one kind of load balancer, public or internal."""

    networks: tuple[IPNetwork, ...]

    def __contains__(self, address: IPAddress) -> bool:
        """Return whether a load balancer may have the address."""
        return self.network_of(address) is not None

    def has_family(self, family: str) -> bool:
        """Return whether there is a network of this family, IPv4 or IPv6."""
        return any(_family(network) == family for network in self.networks)

    def first_free(
        self, family: str, taken: Container[IPAddress], lowest: MutableMapping[IPNetwork, int]
    ) -> IPAddress | None:
        """Return the lowest address of the first network of this family that has one; None where all are taken.

        `lowest` has, for each network, a number below which no address is free; it is raised to what was found.
        """
        for network in self.networks:
            if _family(network) != family:
                continue
            for number in range(max(_first(network), lowest.get(network, 0)), _last(network) + 1):
                address = network.network_address + (number - int(network.network_address))
                if address not in taken:
                    lowest[network] = number
                    return address
            lowest[network] = _last(network) + 1
        return None

    def network_of(self, address: IPAddress) -> IPNetwork | None:
        """Return the network that has the address as one of its hosts."""
        for network in self.networks:
            if network.version == address.version and _first(network) <= int(address) <= _last(network):
                return network
        return None

    def __str__(self) -> str:
        return ", ".join(map(str, self.networks)) or "none"


class Subnets(msgspec.Struct, frozen=True):
    """The two subnets of the local cloud."""

    public: Subnet
    internal: Subnet

    def of(self, *, internal: bool) -> Subnet:
        """Return the subnet of one kind."""
        return self.internal if internal else self.public


def subnets(pools: BalancerPools) -> Subnets:
    """Parse the networks. Raises ValueError for one that is invalid or overlaps another."""
    public = tuple(_network("public", text) for text in pools.public)
    internal = tuple(_network("internal", text) for text in pools.internal)
    for one, other in itertools.combinations((*public, *internal), 2):
        if one.overlaps(other):
            raise ValueError(f"load balancer pools: {one} and {other} overlap; use disjoint networks")
    return Subnets(Subnet(public), Subnet(internal))


def _network(kind: str, text: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        remedy = "write a network, such as 198.51.100.0/24"
        raise ValueError(f"{kind} load balancer pool {text!r}: {error}; {remedy}") from None


def _family(network: IPNetwork) -> str:
    return f"IPv{network.version}"


def _first(network: IPNetwork) -> int:
    """Return the first host: the network's own address is none (RFC 4291 2.6.1: that of its routers)."""
    return int(network.network_address) + (network.num_addresses > 2)


def _last(network: IPNetwork) -> int:
    """Return the last host: the IPv4 broadcast address is none."""
    return int(network.broadcast_address) - (network.version == 4 and network.num_addresses > 2)
