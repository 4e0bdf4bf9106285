"""Which clients a route is for, by their address: off in a listener, on in the routes that have ranges."""

from __future__ import annotations

import ipaddress
from typing import Any

from envoy.config.core.v3 import address_pb2
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as filter_pb2

from podwire.edge.model.filters import ClientRanges

FILTER = "envoy.filters.http.rbac"
MARK = "podwire_"
"""Before the names of the results, which the script reads."""


def listener_filter() -> Any:
    """Return the filter's configuration in a listener: all requests pass."""
    return filter_pb2.RBAC()


def per_route(clients: ClientRanges) -> Any:
    """Return the filter's configuration for a route: requests of others are answered by 403, or only marked."""
    principals = []
    if clients.allowed:
        principals.append(_any_of(clients.allowed))
    if clients.denied:
        principals.append(rbac_pb2.Principal(not_id=_any_of(clients.denied)))
    both = rbac_pb2.Principal(and_ids=rbac_pb2.Principal.Set(ids=principals))
    anything = rbac_pb2.Permission(any=True)
    policy = rbac_pb2.Policy(permissions=[anything], principals=[both])
    rules = rbac_pb2.RBAC(action=rbac_pb2.RBAC.ALLOW, policies={"clients": policy})
    if clients.only_marks:
        return filter_pb2.RBACPerRoute(rbac=filter_pb2.RBAC(shadow_rules=rules, shadow_rules_stat_prefix=MARK))
    return filter_pb2.RBACPerRoute(rbac=filter_pb2.RBAC(rules=rules))


def _any_of(ranges: tuple[str, ...]) -> Any:
    """By the address that X-Forwarded-For or a PROXY header is trusted for, else that of the connection."""
    return rbac_pb2.Principal(
        or_ids=rbac_pb2.Principal.Set(ids=[rbac_pb2.Principal(remote_ip=cidr_range(one)) for one in ranges])
    )


def cidr_range(text: str) -> Any:
    """Return a range of addresses."""
    network = ipaddress.ip_network(text)
    return address_pb2.CidrRange(address_prefix=str(network.network_address), prefix_len={"value": network.prefixlen})
