"""Where on the host's loopback a forward is: candidates, the best one first. Pure.

A world has a subnet 127.N.0.0/16 of its own, in which each load balancer has an address with its own last two bytes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from podwire.lab.relay.forwards import Forward

SUBNETS = range(18, 255)
"""The second byte of a world's subnet. 127.0.0.1 and what resolvers use (127.0.0.53, 127.0.1.1) are not in one."""

CLAIM_PORT = 65535
"""A datagram socket that is bound here, at the subnet's first address, shows that the subnet is taken."""

HIGHER = range(8000, 64000, 1000)
"""What is added to a port that cannot be opened."""

LOOPBACK = "127.0.0.1"

Address = tuple[str, int]


def claim_of(subnet: int) -> Address:
    """The address that the user of a subnet has bound."""
    return f"127.{subnet}.0.1", CLAIM_PORT


def candidates(forward: Forward, subnet: int, previous: Address | None = None) -> Iterator[Address]:
    """Addresses and ports to try in turn; the last one, with port 0, means any free port.

    `previous` is where the forward was before a restart.
    """
    if previous is not None:
        yield previous
    if forward.kind != "LoadBalancer":
        yield LOOPBACK, forward.port
        yield LOOPBACK, 0
        return
    address = of_load_balancer(forward.address, subnet)
    yield address, forward.port
    yield from ((address, forward.port + more) for more in HIGHER if forward.port + more <= 65535)
    yield address, 0


def of_load_balancer(address: str, subnet: int) -> str:
    """The loopback address for an address of a load balancer, by its last two bytes."""
    high, low = ipaddress.ip_address(address).packed[-2:]
    return f"127.{subnet}.{high}.{low}"
