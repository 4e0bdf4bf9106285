"""What a Gateway's listeners and routes come to in its proxy: ports with their chains, domains with their routes. Pure.

The controller and `podwire explain url` have their answers from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from podwire.edge.gateway import grpc_routes, http_routes, virtual_hosts
from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.attachment import Attachment
from podwire.edge.gateway.domains import base_domains
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.grpc_route import GRPCRoute
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener, ProxyOptions
from podwire.edge.model.routes import VirtualHost

DEFAULTS = ProxyOptions()

Host = tuple[str, str]
"""Route table and domain."""

RequestRoute = HTTPRoute | GRPCRoute
"""A route whose rules are for requests."""


def http_listeners(states: Iterable[ListenerState]) -> tuple[ListenerState, ...]:
    """Return the listeners of a Gateway that its proxy routes requests for."""
    return tuple(one for one in states if one.is_usable and one.protocol in {"HTTP", "HTTPS"})


def ports_of(states: Iterable[ListenerState], options: ProxyOptions = DEFAULTS) -> frozenset[GatewayPort]:
    """Return the ports that a Gateway's Service has: those of its usable listeners, for HTTP/3 also over UDP."""
    usable = [one for one in states if one.is_usable]
    return frozenset((*(one.gateway_port for one in usable), *_quic_ports(usable, options)))


def listener_rows(
    states: Iterable[ListenerState],
    number: Callable[[GatewayPort], int | None],
    options: ProxyOptions = DEFAULTS,
) -> Iterator[Listener]:
    """Yield the proxy's listeners for these of a Gateway; `number` is the proxy's port: None, not allocated yet."""
    states = tuple(states)
    ports: dict[GatewayPort, list[ListenerState]] = {}
    for state in http_listeners(states):
        ports.setdefault(state.gateway_port, []).append(state)
    quic = {one: found for one in _quic_ports(states, options) if (found := number(one)) is not None}
    for port, states_of in ports.items():
        proxy_port = number(port)
        if proxy_port is None:
            continue
        chains = tuple({one.name: one for one in map(_chain, states_of)}.values())
        over_udp = msgspec.structs.replace(port, protocol="UDP")
        inspects = states_of[0].protocol == "HTTPS"
        yield Listener(port, proxy_port, chains, inspects, options, announces_http3=over_udp in quic)
        if over_udp in quic:
            yield Listener(over_udp, quic[over_udp], chains, options=options)


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


def _quic_ports(states: Iterable[ListenerState], options: ProxyOptions) -> frozenset[GatewayPort]:
    """Return the UDP ports for HTTP/3.

    Envoy verifies no clients' certificates there, so a port that wants them has none; nor has one with TLS below 1.3
    only, or whose number is used by a UDP listener.
    """
    if not options.http3:
        return frozenset()
    states = [one for one in states if one.is_usable]
    secure = [one for one in states if one.protocol == "HTTPS" and one.tls is not None]
    unfit = {one.port for one in secure if one.tls and (one.tls.authorities or one.tls.maximum not in ("", "1.3"))}
    used = {one.port for one in states if one.protocol == "UDP"}
    found = (one.gateway_port for one in secure if one.port not in unfit | used)
    return frozenset(msgspec.structs.replace(one, protocol="UDP") for one in found)
