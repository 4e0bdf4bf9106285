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
from podwire.edge.model.listeners import FilterChain, HttpChain, Listener, ProxyOptions, StreamChain
from podwire.edge.xds.resource import LISTENER, ROUTES, Key, Resource

ANY_ADDRESS = "::"
"""All addresses of both families."""
BUFFER_BYTES = 32_768
UDP = "UDP"


def listener(row: Listener, options: ProxyOptions) -> tuple[Resource, ...]:
    """Return the listener and its route tables, still without hosts. An Envoy requests tables and secrets."""
    protocol = address_pb2.SocketAddress.UDP if row.port.protocol == UDP else address_pb2.SocketAddress.TCP
    address = address_pb2.SocketAddress(
        address=ANY_ADDRESS, port_value=row.proxy_port, ipv4_compat=True, protocol=protocol
    )
    made = listener_pb2.Listener(
        name=str(row.port),
        address=address_pb2.Address(socket_address=address),
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
    )
    if row.port.protocol == UDP:
        made.udp_listener_config.CopyFrom(udp_listener_config_pb2.UdpListenerConfig())
        made.listener_filters.append(stream.udp_filter(_datagrams(row)))
    else:
        made.listener_filters.extend(_listener_filters(row, options))
        made.filter_chains.extend(_chain(one, options) for one in row.chains)
    tables = tuple(sorted({one.action.table for one in row.chains if isinstance(one.action, HttpChain)}))
    warms: tuple[Key, ...] = tuple((ROUTES, name) for name in tables)
    secrets = (found for one in row.chains if one.tls for found in tls.secrets_of_server(one.tls))
    warms += tuple(dict.fromkeys(secrets))
    return (
        resource(LISTENER, str(row.port), made, warms=warms),
        *(http_connection.table(name) for name in tables),
    )


def keys(row: Listener) -> tuple[Key, ...]:
    """Return types and names of the resources."""
    tables = sorted({one.action.table for one in row.chains if isinstance(one.action, HttpChain)})
    return (LISTENER, str(row.port)), *((ROUTES, name) for name in tables)


def _datagrams(row: Listener) -> Any:
    return next((one.action.route for one in row.chains if isinstance(one.action, StreamChain)), None)


def _listener_filters(row: Listener, options: ProxyOptions) -> list[Any]:
    found = []
    if options.proxy_protocol:
        found.append(_listener_filter("envoy.filters.listener.proxy_protocol", proxy_protocol_pb2.ProxyProtocol()))
    if row.inspects_tls:
        found.append(_listener_filter("envoy.filters.listener.tls_inspector", tls_inspector_pb2.TlsInspector()))
    return found


def _listener_filter(name: str, message: Any) -> Any:
    return listener_components_pb2.ListenerFilter(name=name, typed_config=packed(message))


def _chain(chain: FilterChain, options: ProxyOptions) -> Any:
    if isinstance(chain.action, HttpChain):
        action = http_connection.http_filter(chain.action.table, options)
        protocols = chain.tls.protocols if chain.tls else ()
    else:
        action = stream.tcp_filter(chain.action.route, options.idle_timeout, access_log(options.access_log))
        protocols = ()
    made = listener_components_pb2.FilterChain(name=chain.name, filters=[action])
    names = [one for one in chain.server_names if one != "*"]
    if names:
        made.filter_chain_match.server_names.extend(names)
    if chain.tls:
        made.transport_socket.CopyFrom(transport_socket(tls.server(chain.tls, protocols)))
    return made
