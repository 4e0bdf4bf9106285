"""The subnets from which the local cloud provider gives addresses to load balancers."""

from __future__ import annotations

import msgspec


class BalancerPools(msgspec.Struct, frozen=True):
    """Networks in CIDR notation, IPv4 and IPv6 mixed; they are used in order.

    `public` ones are reachable from outside of the cluster, `internal` ones from its nodes and pods only.
    """

    public: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()
