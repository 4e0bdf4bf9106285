"""The routes of one domain in the order in which they are tried. Pure.

Source: gateway-api v1.6.3 `httproute_types.go`, HTTPRouteSpec.hostnames and HTTPRouteRule.matches: precedence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from podwire.edge.model.matches import Match, PathType
from podwire.edge.model.routes import Route, VirtualHost
from podwire.kube import hostnames

_ORDER = {PathType.EXACT: 0, PathType.REGEX: 1, PathType.PREFIX: 2}

Age = tuple[str, str, str]
"""When a route object was created, its namespace and its name."""


class Part(msgspec.Struct, frozen=True):
    """What one object has in a host. `hostname` is that of the object's hostnames that fits the domain best."""

    age: Age
    routes: tuple[Route, ...]
    hostname: str = hostnames.ANY


def virtual_host(table: str, domain: str, parts: Iterable[Part], *, misdirected: bool = False) -> VirtualHost:
    """Return the virtual host with the routes of all objects."""
    found = [
        (
            hostnames.precedence(part.hostname),
            precedence(route.match),
            part.age,
            route.name.kind,
            route.name.rule,
            route.name.match,
            route,
        )
        for part in parts
        for route in part.routes
    ]
    found.sort(key=lambda one: one[:-1])
    return VirtualHost(table, domain, tuple(one[-1] for one in found), misdirected=misdirected and not found)


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
