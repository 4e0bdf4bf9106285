"""Every route that could match a request: what it wants, and why it is taken or not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from podwire.edge.gateway.kinds.grpc_route import GRPCRoute
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.owners import Owner
from podwire.edge.gateway.serving import hostname_of
from podwire.edge.gateway.virtual_hosts import precedence
from podwire.edge.model.choice import Tried
from podwire.edge.model.matches import Match, PathType, ValueMatch, ValueType
from podwire.edge.model.routes import Route, RouteName
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.passage import Passage
from podwire.insight.url.question import Question
from podwire.insight.url.report import RouteLine
from podwire.insight.url.served import Served
from podwire.kube.hostnames import ANY, contains

_BEFORE = (
    "an exact path comes first, then an expression, then a prefix",
    "the longer path comes first",
    "a match of the method comes first",
    "more headers come first",
    "more query parameters come first",
)
"""Why one route comes before another, by the parts of `virtual_hosts.precedence`."""
_PATHS = {
    PathType.EXACT: "path ",
    PathType.PREFIX: "path prefix ",
    PathType.REGEX: "path matching ",
    PathType.TEXT: "path beginning with ",
}


def route_lines(question: Question, gateway: Served, way: Passage, objects: UrlObjects) -> tuple[RouteLine, ...]:
    """Return the routes of the host in the order in which they are tried, then those that are not tried, with why."""
    return (*_stream(way, objects), *tried_lines(way, objects), *_untried(question, gateway, way, objects))


def _stream(way: Passage, objects: UrlObjects) -> Iterator[RouteLine]:
    if way.stream is not None:
        owner = owner_of(way.stream.name)
        place = objects.places.get(owner, "")
        yield RouteLine(f"{owner.kind} {owner.key}", "0", "connections", "taken", is_taken=True, place=place)


def owner_of(name: RouteName) -> Owner:
    """Return the object that a route comes from."""
    return Owner(name.kind, name.namespace, name.name)


def wants(match: Match) -> str:
    """Return what a match demands, in words."""
    parts = ["gRPC"] if match.is_grpc else []
    parts += [match.method] if match.method else []
    parts.append(f"{_PATHS[match.path.type]}{match.path.value}")
    parts += [_value("header", one) for one in match.headers]
    parts += [_value("query", one) for one in match.query]
    return ", ".join(parts)


def tried_lines(way: Passage, objects: UrlObjects) -> Iterator[RouteLine]:
    """Yield the routes of the host in the order in which they are tried."""
    taken = way.taken
    for one in way.tried:
        route, name = one.route, one.route.name
        place = objects.places.get(owner_of(route.name), "")
        rule = name.rule_name or str(name.rule)
        text = _result(one, taken, partial(_hostname, way, objects))
        yield RouteLine(
            f"{name.kind} {name.namespace}/{name.name}", rule, wants(route.match), text, one.is_taken, place
        )


def _hostname(way: Passage, objects: UrlObjects, route: Route) -> str:
    """Return that of the hostnames of a route's object which fits the host."""
    found = objects.edge.routes.get(owner_of(route.name))
    if way.host is None or not isinstance(found, HTTPRoute | GRPCRoute):
        return ANY
    return hostname_of(found, way.host.domain)


def _result(one: Tried, taken: Tried | None, hostname: Callable[[Route], str]) -> str:
    if one.is_taken:
        return "taken"
    if one.mismatches:
        return "; ".join(one.mismatches)
    assert taken is not None, "a route that matches comes after the one that is taken"
    return f"matches too, and comes later: {_order(taken.route, one.route, hostname)}"


def _order(first: Route, later: Route, hostname: Callable[[Route], str]) -> str:
    """Why one of two routes that match comes before the other."""
    if hostname(first) != hostname(later):
        return f"hostname {hostname(first)} is more specific than {hostname(later)}"
    parts = zip(precedence(first.match), precedence(later.match), _BEFORE, strict=True)
    different = next((text for a, b, text in parts if a != b), "")
    if different:
        return different
    if owner_of(first.name) != owner_of(later.name):
        return "the older route comes first"
    return "the earlier rule comes first" if first.name.rule != later.name.rule else "another match of the same rule"


def _untried(question: Question, gateway: Served, way: Passage, objects: UrlObjects) -> Iterator[RouteLine]:
    """Routes of this Gateway that have no share in the host, with why."""
    present = {owner_of(one.route.name) for one in way.tried}
    if way.stream is not None:
        present.add(owner_of(way.stream.name))
    for owner, attached in gateway.attached.items():
        if owner in present:
            continue
        rules, text = gateway.rules[owner], ""
        refused = next((one for one in attached if one.reason != "Accepted"), None)
        domains = [domain for one in attached for there in one.listeners for domain in there.domains]
        if rules.unsupported:
            text = f"not accepted: {rules.unsupported}"
        elif refused is not None and not domains:
            text = f"not attached ({refused.reason}): {refused.message}"
        elif not any(contains(one, question.request.host) for one in domains):
            text = f"for other hosts: {', '.join(dict.fromkeys(domains)) or 'none'}"
        else:
            text = _elsewhere(way, owner, gateway)
        yield RouteLine(f"{owner.kind} {owner.key}", "", "", text, place=objects.places.get(owner, ""))


def _elsewhere(way: Passage, owner: Owner, gateway: Served) -> str:
    names = sorted({there.state.name for one in gateway.attached[owner] for there in one.listeners})
    if way.stream is not None and way.state is not None and way.state.name in names:
        return "an older route has the connections"
    if way.state is not None and way.state.name in names and way.host is not None:
        return f"its hostname is less specific than {way.host.domain}, which other routes have"
    return f"attached to listener {', '.join(names)}"


def _value(what: str, one: ValueMatch) -> str:
    match one.type:
        case ValueType.EXACT:
            return f"{what} {one.name}={one.value}"
        case ValueType.REGEX:
            return f"{what} {one.name} matching {one.value}"
        case ValueType.PRESENT:
            return f"{what} {one.name}"
        case ValueType.ABSENT:
            return f"no {what} {one.name}"
