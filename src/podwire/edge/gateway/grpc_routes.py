"""A GRPCRoute in the terms of the model: HTTP/2 requests whose path is `/service/method`. Pure.

Source: gateway-api v1.6.3 `grpcroute_types.go`.
"""

from __future__ import annotations

import re

from podwire.edge.gateway.http_matches import headers_of
from podwire.edge.gateway.http_routes import Translated, translated_rules
from podwire.edge.gateway.kinds.grpc_route import GRPCMethodMatch, GRPCRoute, GRPCRouteMatch, GRPCRouteRule
from podwire.edge.gateway.kinds.http_route import HTTPRouteRule
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import owner
from podwire.edge.model.matches import Match, PathMatch, PathType

_ANY = "[^/]+"


def translated(route: GRPCRoute, objects: Objects, *, needs_grants: bool = True) -> Translated:
    """Return the route's part of the model, with what is wrong with it."""
    rules = [(_as_http(rule), _matches(rule)) for rule in route.spec.rules]
    return translated_rules(owner("GRPCRoute", route.key), rules, objects, needs_grants=needs_grants)


def _as_http(rule: GRPCRouteRule) -> HTTPRouteRule:
    """All but the matches has the meaning that it has in an HTTPRoute."""
    return HTTPRouteRule(
        name=rule.name,
        filters=rule.filters,
        backend_refs=rule.backend_refs,
        session_persistence=rule.session_persistence,
    )


def _matches(rule: GRPCRouteRule) -> tuple[Match, ...]:
    return tuple(
        Match(path=_path(one.method or GRPCMethodMatch()), headers=headers_of(one.headers), is_grpc=True)
        for one in rule.matches or (GRPCRouteMatch(),)
    )


def _path(match: GRPCMethodMatch) -> PathMatch:
    """A service is a path prefix, as it is one element; a method of any service needs a regular expression."""
    service, method = match.service or "", match.method or ""
    if not service and not method:
        return PathMatch(PathType.PREFIX, "/")
    if match.type == "RegularExpression":
        return PathMatch(PathType.REGEX, f"/{_group(service)}/{_group(method)}")
    if service and method:
        return PathMatch(PathType.EXACT, f"/{service}/{method}")
    if service:
        return PathMatch(PathType.PREFIX, f"/{service}")
    return PathMatch(PathType.REGEX, f"/{_ANY}/{re.escape(method)}")


def _group(expression: str) -> str:
    return f"(?:{expression})" if expression else _ANY
