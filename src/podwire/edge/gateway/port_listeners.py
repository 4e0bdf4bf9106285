"""The listeners of a proxy from those of Gateways: one a port, with a filter chain a server name. Pure.

Source: gateway-api v1.6.3 `gateway_types.go` (ProtocolType), `tlsroute_types.go`, `tcproute_types.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from podwire.edge.gateway.attached_listeners import Host, ListenerState
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener, ProxyOptions, StreamChain
from podwire.edge.model.routes import StreamRoute
from podwire.kube.hostnames import ANY

DEFAULTS = ProxyOptions()
Streams = Mapping[Host, StreamRoute]
"""By domain of a TLS, TCP or UDP listener: the route that its connections get."""
NO_STREAMS: Streams = {}

_BY_SERVER_NAME = ("HTTPS", "TLS")
"""Protocols whose listeners share a port by SNI."""


def ports_of(states: Iterable[ListenerState], options: ProxyOptions = DEFAULTS) -> frozenset[GatewayPort]:
    """Return the ports that a Gateway's Service has: those of its usable listeners, for HTTP/3 also over UDP."""
    usable = [one for one in states if one.is_usable]
    return frozenset((*(one.gateway_port for one in usable), *_quic_ports(usable, options)))


def listener_rows(
    states: Iterable[ListenerState],
    number: Callable[[GatewayPort], int | None],
    options: ProxyOptions = DEFAULTS,
    streams: Streams = NO_STREAMS,
) -> Iterator[Listener]:
    """Yield the proxy's listeners for these; `number` is the proxy's port: None, not allocated yet.

    `states` must have all of a Gateway's listeners whose ports have the same number.
    """
    ports = by_port(states)
    usable = [one for port in ports.values() for one in port]
    quic = {one: found for one in _quic_ports(usable, options) if (found := number(one)) is not None}
    for port, sharing in ports.items():
        proxy_port = number(port)
        if proxy_port is None:
            continue
        chains = tuple({one.name: one for state in sharing for one in _chains(state, streams)}.values())
        over_udp = msgspec.structs.replace(port, protocol="UDP")
        inspects = sharing[0].protocol in _BY_SERVER_NAME
        announces = port.protocol == "TCP" and over_udp in quic
        yield Listener(port, proxy_port, chains, inspects, options, announces_http3=announces)
        if announces:
            requests = tuple(one for one in chains if isinstance(one.action, HttpChain))
            yield Listener(over_udp, quic[over_udp], requests, options=options)


def by_port(states: Iterable[ListenerState]) -> dict[GatewayPort, Sequence[ListenerState]]:
    """Return the usable listeners of each port, in their order."""
    ports: dict[GatewayPort, list[ListenerState]] = {}
    for state in states:
        if state.is_usable:
            ports.setdefault(state.gateway_port, []).append(state)
    return {port: tuple(found) for port, found in ports.items()}


def _chains(state: ListenerState, streams: Streams) -> Iterator[FilterChain]:
    if state.protocol == "HTTP":
        yield FilterChain(f"http-{state.port}", HttpChain(state.table))
    elif state.protocol == "HTTPS":
        yield FilterChain(state.chain, HttpChain(state.table), _names(state.hostname), state.tls)
    else:
        yield _stream(state.chain, state, state.host(state.hostname), streams)
        for host in sorted(streams):
            if (host.port, host.listener) == (state.gateway_port, state.hostname) and host.domain != state.hostname:
                yield _stream(f"{state.chain}:{host.domain}", state, host, streams)


def _stream(name: str, state: ListenerState, host: Host, streams: Streams) -> FilterChain:
    """Return a chain; without a route its connections are refused, and no listener of a wider name gets them."""
    return FilterChain(name, StreamChain(streams.get(host)), _names(host.domain), state.tls)


def _names(hostname: str) -> tuple[str, ...]:
    return () if hostname == ANY else (hostname,)


def _quic_ports(states: Iterable[ListenerState], options: ProxyOptions) -> frozenset[GatewayPort]:
    """Return the UDP ports for HTTP/3.

    Envoy verifies no clients' certificates there, so a port that wants them has none; nor has one with TLS below 1.3
    only, or whose number is used by a UDP listener.
    """
    if not options.http3:
        return frozenset()
    states = tuple(states)
    secure = [one for one in states if one.protocol == "HTTPS" and one.tls is not None]
    unfit = {one.port for one in secure if one.tls and (one.tls.authorities or one.tls.maximum not in ("", "1.3"))}
    used = {one.port for one in states if one.protocol == "UDP"}
    found = (one.gateway_port for one in secure if one.port not in unfit | used)
    return frozenset(msgspec.structs.replace(one, protocol="UDP") for one in found)
