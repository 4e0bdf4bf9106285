"""What a Gateway's listeners and routes come to in its proxy: ports with their chains, domains with their routes. Pure.

The controller and `podwire explain url` have their answers from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from podwire.edge.gateway import grpc_routes, http_routes, virtual_hosts
from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.attachment import Attachment
from podwire.edge.gateway.domains import base_domains
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.grpc_route import GRPCRoute
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener
from podwire.edge.model.routes import VirtualHost

Host = tuple[str, str]
"""Route table and domain."""

RequestRoute = HTTPRoute | GRPCRoute
"""A route whose rules are for requests."""


def http_listeners(states: Iterable[ListenerState]) -> tuple[ListenerState, ...]:
    """Return the listeners of a Gateway that its proxy routes requests for."""
    return tuple(one for one in states if one.is_usable and one.protocol in {"HTTP", "HTTPS"})


def listener_rows(states: Iterable[ListenerState], number: Callable[[GatewayPort], int | None]) -> Iterator[Listener]:
    """Yield the proxy's listeners for these of a Gateway; `number` is the proxy's port: None, not allocated yet."""
    ports: dict[GatewayPort, list[ListenerState]] = {}
    for state in http_listeners(states):
        ports.setdefault(state.gateway_port, []).append(state)
    for port, found in ports.items():
        proxy_port = number(port)
        if proxy_port is not None:
            chains = {one.name: one for one in map(_chain, found)}
            yield Listener(port, proxy_port, tuple(chains.values()), inspects_tls=found[0].protocol == "HTTPS")


def bases(states: Iterable[ListenerState]) -> dict[Host, bool]:
    """Return the hosts that exist without any route; True: requests for them are answered by 421."""
    usable = http_listeners(states)
    return {
        (state.table, domain): misdirected
        for state in usable
        for domain, misdirected in base_domains(
            state, [one for one in usable if one.gateway_port == state.gateway_port]
        ).items()
    }


def hosts_of(attachments: Iterable[Attachment]) -> tuple[Host, ...]:
    """Return the hosts that a route with these attachments has a share in."""
    found = (
        (there.state.table, domain)
        for one in attachments
        for there in one.listeners
        if there.state.is_usable
        for domain in there.domains
    )
    return tuple(dict.fromkeys(found))


def translated(route: RequestRoute, objects: Objects) -> Translated:
    """Return the rules of a route in the terms of the model."""
    if isinstance(route, GRPCRoute):
        return grpc_routes.translated(route, objects)
    return http_routes.translated(route, objects)


def virtual_host(
    host: Host, shares: Iterable[tuple[RequestRoute, Translated]], *, misdirected: bool = False
) -> VirtualHost:
    """Return a host with the routes of all objects that have a share in it."""
    port = int(host[0].split(":")[2])
    found = []
    for route, rules in shares:
        age = (route.metadata.creation_timestamp or "", route.metadata.namespace, route.metadata.name)
        found.append((age, tuple(http_routes.at_port(one, port) for one in rules.routes)))
    return virtual_hosts.virtual_host(*host, found, misdirected=misdirected)


def _chain(state: ListenerState) -> FilterChain:
    if state.protocol == "HTTP":
        return FilterChain(f"http-{state.port}", HttpChain(state.table))
    names = () if state.hostname == "*" else (state.hostname,)
    return FilterChain(state.chain, HttpChain(state.table), names, state.tls)
