"""The routes of one domain in the order in which they are tried. Pure.

Source: gateway-api v1.6.3 `httproute_types.go`, HTTPRouteRule.matches: precedence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podwire.edge.model.matches import Match, PathType
from podwire.edge.model.routes import Route, VirtualHost

_ORDER = {PathType.EXACT: 0, PathType.REGEX: 1, PathType.PREFIX: 2}

Age = tuple[str, str, str]
"""When a route object was created, its namespace and its name."""


def virtual_host(
    table: str, domain: str, shares: Iterable[tuple[Age, tuple[Route, ...]]], *, misdirected: bool = False
) -> VirtualHost:
    """Return the virtual host with the routes of all objects."""
    found = [
        (precedence(route.match), age, route.name.kind, route.name.rule, route.name.match, route)
        for age, routes in shares
        for route in routes
    ]
    found.sort(key=lambda one: one[:5])
    return VirtualHost(table, domain, tuple(one[5] for one in found), misdirected=misdirected and not found)


def precedence(match: Match) -> Any:
    """Sort key: exact path, then the longest; a method; most headers; most query parameters.

    A gRPC method of any service, which is an expression, comes after the methods of one service, and before `/`.
    """
    path = match.path
    length = 0 if path.value == "/" else -len(path.value)
    place = (_ORDER[path.type], length)
    if match.is_grpc and path.type is PathType.REGEX:
        place = (_ORDER[PathType.PREFIX], -1)
    return (*place, not match.method, -len(match.headers), -len(match.query))
