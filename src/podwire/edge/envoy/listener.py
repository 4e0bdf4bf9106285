"""A port of a Gateway as a listener, a filter chain a server name."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2, udp_listener_config_pb2
from envoy.extensions.filters.listener.proxy_protocol.v3 import proxy_protocol_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2

from podwire.edge.envoy import http_connection, stream, tls
from podwire.edge.envoy.access_log import access_log
from podwire.edge.envoy.message import packed, resource, transport_socket
from podwire.edge.model.listeners import FilterChain, HttpChain, Listener, StreamChain
from podwire.edge.xds.resource import CLUSTER, LISTENER, ROUTES, Key, Resource

ANY_ADDRESS = "::"
"""All addresses of both families."""
BUFFER_BYTES = 32_768
UDP = "UDP"


def listener(row: Listener) -> tuple[Resource, ...]:
    """Return the listener and its route tables, still without hosts. An Envoy requests tables and secrets.

    The tables of a listener for QUIC are those of the listener for TLS of the same port.
    """
    protocol = address_pb2.SocketAddress.UDP if row.port.protocol == UDP else address_pb2.SocketAddress.TCP
    address = address_pb2.SocketAddress(
        address=ANY_ADDRESS, port_value=row.proxy_port, ipv4_compat=True, protocol=protocol
    )
    made = listener_pb2.Listener(
        name=str(row.port),
        address=address_pb2.Address(socket_address=address),
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
        listener_filters=_listener_filters(row),
    )
    if row.port.protocol == UDP:
        made.udp_listener_config.CopyFrom(_udp(row))
    if row.port.protocol != UDP or row.is_quic:
        made.filter_chains.extend(_chain(one, row) for one in row.chains)
    names = _tables(row)
    tables: tuple[Key, ...] = tuple((ROUTES, name) for name in names)
    secrets = (found for one in row.chains if one.tls for found in tls.secrets_of_server(one.tls))
    collector = row.options.tracing.collector.name if row.options.tracing and names else ""
    whole = resource(
        LISTENER,
        str(row.port),
        made,
        requires=tuple((CLUSTER, name) for name in sorted({*_clusters(row), collector}) if name),
        warms=(*tables, *dict.fromkeys(secrets)),
    )
    return (whole, *(http_connection.table(name, row) for name in names if not row.is_quic))


def keys(row: Listener) -> tuple[Key, ...]:
    """Return types and names of the resources."""
    return (LISTENER, str(row.port)), *((ROUTES, name) for name in _tables(row) if not row.is_quic)


def _tables(row: Listener) -> list[str]:
    return sorted({one.action.table for one in row.chains if isinstance(one.action, HttpChain)})


def _udp(row: Listener) -> Any:
    made = udp_listener_config_pb2.UdpListenerConfig()
    if row.is_quic:
        made.quic_options.SetInParent()
    return made


def _clusters(row: Listener) -> set[str]:
    streams = (one.action.route for one in row.chains if isinstance(one.action, StreamChain) and one.action.route)
    return {share.cluster for route in streams for share in route.backends}


def _datagrams(row: Listener) -> Any:
    return next((one.action.route for one in row.chains if isinstance(one.action, StreamChain)), None)


def _listener_filters(row: Listener) -> list[Any]:
    if row.port.protocol == UDP:
        return [] if row.is_quic else [stream.udp_filter(_datagrams(row))]
    found = []
    if row.options.proxy_protocol:
        found.append(_listener_filter("envoy.filters.listener.proxy_protocol", proxy_protocol_pb2.ProxyProtocol()))
    if row.inspects_tls:
        found.append(_listener_filter("envoy.filters.listener.tls_inspector", tls_inspector_pb2.TlsInspector()))
    return found


def _listener_filter(name: str, message: Any) -> Any:
    return listener_components_pb2.ListenerFilter(name=name, typed_config=packed(message))


def _chain(chain: FilterChain, row: Listener) -> Any:
    if isinstance(chain.action, HttpChain):
        action = http_connection.http_filter(chain.action.table, row, chain.tls)
        protocols = chain.tls.protocols if chain.tls else ()
    else:
        logs = access_log(row.options.access_log, row.port)
        action = stream.tcp_filter(chain.action.route, row.options.idle_timeout, logs)
        protocols = ()
    made = listener_components_pb2.FilterChain(name=chain.name, filters=[action])
    names = [one for one in chain.server_names if one != "*"]
    if names:
        made.filter_chain_match.server_names.extend(names)
    if chain.tls and row.is_quic:
        made.transport_socket.CopyFrom(tls.quic(chain.tls))
    elif chain.tls:
        made.transport_socket.CopyFrom(transport_socket(tls.server(chain.tls, protocols)))
    return made
