"""What a Gateway's listeners and routes come to in its proxy: domains with their routes. Pure.

The controller and `podwire explain url` have their answers from here; ports with their chains are in `port_listeners`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podwire.edge.gateway import grpc_routes, http_routes, stream_routes, virtual_hosts
from podwire.edge.gateway.attached_listeners import Host, ListenerState
from podwire.edge.gateway.attachment import Attachment
from podwire.edge.gateway.domains import base_domains
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.grpc_route import GRPCRoute
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.kinds.stream_routes import StreamRoute
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import AnyRoute, Owner
from podwire.edge.gateway.port_listeners import by_port
from podwire.edge.gateway.virtual_hosts import Part
from podwire.edge.model import routes as model
from podwire.edge.model.matches import Match
from podwire.edge.model.routes import VirtualHost
from podwire.kube.hostnames import ANY, contains, most_specific, wildcards

RequestRoute = HTTPRoute | GRPCRoute
"""A route whose rules are for requests."""
Route = RequestRoute | StreamRoute
"""A route of any kind."""


def http_listeners(states: Iterable[ListenerState]) -> tuple[ListenerState, ...]:
    """Return the listeners of a Gateway that its proxy routes requests for."""
    return tuple(one for one in states if one.is_usable and one.table)


def bases(states: Iterable[ListenerState]) -> dict[Host, bool]:
    """Return the hosts that exist without any route; True: requests for them are answered by 421."""
    return {
        state.host(domain): misdirected
        for port in by_port(states).values()
        for state in port
        if state.table
        for domain, misdirected in base_domains(state, port).items()
    }


def hosts_of(attachments: Iterable[Attachment]) -> tuple[Host, ...]:
    """Return the hosts that a route with these attachments has a share in."""
    found = (
        there.state.host(domain)
        for one in attachments
        for there in one.listeners
        if there.state.is_usable
        for domain in there.domains
    )
    return tuple(dict.fromkeys(found))


def translated(kind: str, route: Route, objects: Objects, *, needs_grants: bool = True) -> Translated:
    """Return the rules of a route in the terms of the model."""
    match route:
        case HTTPRoute():
            return http_routes.translated(route, objects, needs_grants=needs_grants)
        case GRPCRoute():
            return grpc_routes.translated(route, objects, needs_grants=needs_grants)
        case StreamRoute():
            return stream_routes.translated(kind, route, objects)


def owners_of(
    host: Host,
    states: Iterable[ListenerState],
    owners: Callable[[Host], Iterable[Owner]],
    rules: Callable[[Owner], Translated],
) -> frozenset[Owner]:
    """Return the routes that are tried for a host: its own, and those of wider hosts unless its own take all requests.

    `states` are the listeners that the host is of, `owners` the routes with a share in a host.
    """
    own = frozenset(owners(host))
    if any(one.match == Match() for route in own for one in rules(route).routes):
        return own
    return own.union(*(owners(one) for one in wider(host, states)))


def wider(host: Host, states: Iterable[ListenerState]) -> tuple[Host, ...]:
    """Return the hosts of the same listener whose domains contain that of this one, the narrowest first."""
    listener = most_specific(host.domain, [one.hostname for one in states])
    found = (one for one in wildcards(host.domain) if listener is not None and contains(listener, one))
    return tuple(Host(host.port, host.listener, one) for one in found)


def hostname_of(route: Route, domain: str) -> str:
    """Return that of the route's hostnames which fits the domain best."""
    return most_specific(domain, [one.lower() for one in route.spec.hostnames]) or ANY


def virtual_host(host: Host, shares: Iterable[tuple[Route, Translated]], *, misdirected: bool = False) -> VirtualHost:
    """Return a host of requests with the routes of all objects that have a share in it."""
    port = host.port.port
    found = [
        Part(age(one), tuple(http_routes.at_port(each, port) for each in rules.routes), hostname_of(one, host.domain))
        for one, rules in shares
    ]
    return virtual_hosts.virtual_host(host.table, host.domain, found, misdirected=misdirected)


def stream(shares: Iterable[tuple[AnyRoute, Translated]]) -> model.StreamRoute | None:
    """Return the route of the connections of a host: that of the oldest object; None where there is none."""
    oldest = min(shares, key=lambda one: age(one[0]), default=None)
    return oldest[1].stream if oldest is not None else None


def age(route: AnyRoute) -> virtual_hosts.Age:
    """Return what orders routes that are otherwise equal, the oldest first."""
    return route.metadata.creation_timestamp or "", route.metadata.namespace, route.metadata.name
