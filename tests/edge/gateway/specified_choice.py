"""Which rule a request belongs to, word by word as Gateway API's specification has it: slow, and without the model.

Source: gateway-api v1.6.3, comments of `Listener.hostname`, `HTTPRouteSpec.hostnames`, `HTTPRouteRule.matches`,
`GRPCRouteSpec.hostnames` and `GRPCRouteRule.matches`. Expressions are left out: their order is free.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from podwire.edge.model.choice import Request

Object = dict[str, Any]


class Rule(msgspec.Struct, frozen=True):
    """A rule of a route by its place."""

    kind: str
    namespace: str
    name: str
    rule: int


def chosen(gateway: Object, routes: list[Object], request: Request) -> Rule | None:
    """Return the rule that must answer; None: 404."""
    listener = listener_of(gateway, request.host)
    if listener is None:
        return None
    found = [one for route in routes if is_attached(route, listener) for one in candidates(route, request)]
    return min(found, key=lambda one: one[0])[1] if found else None


def listener_of(gateway: Object, host: str) -> Object | None:
    """Return "the most specific" listener: exact names, then wildcards by their length, then one without a name."""
    found = [one for one in gateway["spec"]["listeners"] if host_fits(one.get("hostname"), host)]
    return max(found, key=lambda one: hostname_rank(one.get("hostname")), default=None)


def is_attached(route: Object, listener: Object) -> bool:
    """Whether a parent reference names the listener, or none in particular."""
    return any(one.get("sectionName", listener["name"]) == listener["name"] for one in route["spec"]["parentRefs"])


def host_fits(hostname: str | None, host: str) -> bool:
    """Whether a host matches; a wildcard has one label or more."""
    if hostname is None:
        return True
    if not hostname.startswith("*."):
        return hostname == host
    labels, suffix = host.split("."), hostname[2:].split(".")
    return len(labels) > len(suffix) and labels[-len(suffix) :] == suffix


def hostname_rank(hostname: str | None) -> tuple[int, int]:
    """Rank by "characters in a matching non-wildcard hostname", then "characters in a matching hostname"."""
    if hostname is None:
        return 0, 0
    return 0 if hostname.startswith("*") else len(hostname), len(hostname)


def candidates(route: Object, request: Request) -> Iterator[tuple[Any, Rule]]:
    """Yield each rule with a match that holds, and the key by which the first one is taken."""
    hostnames = [one for one in route["spec"].get("hostnames") or (None,) if host_fits(one, request.host)]
    if not hostnames:
        return
    non_wildcard, characters = max(map(hostname_rank, hostnames))
    metadata = route["metadata"]
    age = metadata["creationTimestamp"], f"{metadata['namespace']}/{metadata['name']}"
    for index, rule in enumerate(route["spec"]["rules"]):
        matches: list[Object] = rule.get("matches") or [{}]
        for match in matches:
            rank = (grpc_rank if route["kind"] == "GRPCRoute" else http_rank)(match, request)
            if rank is not None:
                place = Rule(route["kind"], metadata["namespace"], metadata["name"], index)
                yield ((-non_wildcard, -characters, rank, age, index), place)


def http_rank(match: Object, request: Request) -> Any:
    """Return the rank of an HTTPRoute's match: exact path, longest prefix, method, headers, parameters; None: no."""
    path = match.get("path", {"type": "PathPrefix", "value": "/"})
    wanted, elements = path["value"], path["value"].strip("/").split("/")
    if path["type"] == "Exact":
        fits = request.path == wanted
    else:
        fits = wanted == "/" or request.path.strip("/").split("/")[: len(elements)] == elements
    headers, query = match.get("headers", ()), match.get("queryParams", ())
    fits = fits and match.get("method", request.method) == request.method
    fits = fits and all(request.header(one["name"]) == (one["value"],) for one in headers)
    fits = fits and all(request.parameter(one["name"]) == (one["value"],) for one in query)
    if not fits:
        return None
    prefix = 0 if path["type"] == "Exact" else len(wanted)
    return path["type"] != "Exact", -prefix, "method" not in match, -len(headers), -len(query)


def grpc_rank(match: Object, request: Request) -> Any:
    """Return the rank of a GRPCRoute's match: characters of service, of method, number of headers; None: no."""
    method = match.get("method", {})
    service, name = request.path.strip("/").split("/")
    headers = match.get("headers", ())
    fits = method.get("service", service) == service and method.get("method", name) == name
    if not fits or any(request.header(one["name"]) != (one["value"],) for one in headers):
        return None
    return -len(method.get("service", "")), -len(method.get("method", "")), -len(headers)
