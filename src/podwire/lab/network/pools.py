"""The subnets of load balancers: which ones a world can have. Pure.

A pool lies in the underlay's subnet, where no host has an address of it, or outside of every range of the world: then
the outside host has a route to it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PUBLIC: tuple[Network, ...] = (
    ipaddress.IPv4Network("172.18.254.0/24"),
    ipaddress.IPv6Network("fd00:172:18::fe:0/112"),
)
INTERNAL: tuple[Network, ...] = (
    ipaddress.IPv4Network("172.18.253.0/24"),
    ipaddress.IPv6Network("fd00:172:18::fd:0/112"),
)


def parse(text: str) -> tuple[Network, ...]:
    """The public pools of `--lb-pool`, comma-separated; a family that it does not name keeps its default one.

    Raises ValueError for what is no network.
    """
    given = tuple(_network(word.strip()) for word in text.split(",")) if text else ()
    families = {pool.version for pool in given}
    return (*given, *(pool for pool in PUBLIC if pool.version not in families))


def check(found: Sequence[Network], taken: Sequence[tuple[str, Network]], underlays: Sequence[Network]) -> None:
    """Raise ValueError where a pool overlaps what is taken (its name and its range), or another pool.

    A pool that meets an underlay must be a part of it.
    """
    for number, pool in enumerate(found):
        if pool.is_loopback or pool.is_multicast or pool.is_link_local or pool.prefixlen == 0:
            raise _refused(pool, "is no range of unicast addresses")
        for what, other in (*taken, *((f"the pool {other}", other) for other in found[:number])):
            if pool.version == other.version and pool.overlaps(other):
                raise _refused(pool, f"overlaps {what}")
        for underlay in underlays:
            if pool.version == underlay.version and pool.overlaps(underlay) and not is_within(pool, underlay):
                raise _refused(pool, f"is larger than the underlay {underlay}, which is a part of it")


def is_within(pool: Network, subnet: Network) -> bool:
    """Whether the subnet has all addresses of the pool."""
    return subnet.version == pool.version and pool[0] in subnet and pool[-1] in subnet


def _network(word: str) -> Network:
    try:
        return ipaddress.ip_network(word)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(word, strict=False)
    except ValueError:
        raise ValueError(f"--lb-pool {word}: is no network; write ADDRESS/LENGTH, such as 172.18.254.0/24") from None
    raise ValueError(f"--lb-pool {word}: has bits set after its length; write {meant}")


def _refused(pool: Network, why: str) -> ValueError:
    return ValueError(f"--lb-pool {pool}: {why}; choose a part of 172.18.254.0/24, or a subnet of its own")
