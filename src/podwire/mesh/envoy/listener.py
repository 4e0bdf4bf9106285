"""A listener on a port of the node or inside Envoy, without its chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2
from envoy.extensions.filters.listener.original_src.v3 import original_src_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2

from podwire.edge.envoy.cluster import BUFFER_BYTES
from podwire.edge.envoy.message import packed, resource
from podwire.edge.xds.resource import CLUSTER, LISTENER, SECRET, Resource

_ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104  the address that a client connected to is known of such sockets only


def listener(name: str, port: int, versions: Sequence[int]) -> Any:
    """Return a listener for connections that the rules of redirection lead to it."""
    first, *others = (
        address_pb2.Address(socket_address=address_pb2.SocketAddress(address=_ANY[version], port_value=port))
        for version in versions
    )
    return listener_pb2.Listener(
        name=name,
        stat_prefix=name,
        address=first,
        additional_addresses=[listener_pb2.AdditionalAddress(address=one) for one in others],
        transparent={"value": True},
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
    )


def internal(name: str, *filters: Any) -> Any:
    """Return a listener inside Envoy: by default it has the addresses of the connection that enters it."""
    return listener_pb2.Listener(
        name=name,
        stat_prefix=name,
        internal_listener=listener_pb2.Listener.InternalListenerConfig(),
        listener_filters=filters or (original_destination(), original_source()),
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
    )


def original_source() -> Any:
    """Return the filter that gives connections to pods the address of the client."""
    return _listener_filter("envoy.filters.listener.original_src", original_src_pb2.OriginalSrc())


def original_destination() -> Any:
    """Return the filter that reads where a connection goes."""
    return _listener_filter("envoy.filters.listener.original_dst", original_dst_pb2.OriginalDst())


def tls_inspector() -> Any:
    """Return the filter that recognises TLS."""
    return _listener_filter("envoy.filters.listener.tls_inspector", tls_inspector_pb2.TlsInspector())


def _listener_filter(name: str, message: Any) -> Any:
    return listener_components_pb2.ListenerFilter(name=name, typed_config=packed(message))


def listener_resource(made: Any, cluster: str, secrets: Sequence[str] = ()) -> Resource:
    """Return a listener that forwards to a cluster as a resource."""
    warms = tuple((SECRET, name) for name in secrets)
    return resource(LISTENER, made.name, made, requires=((CLUSTER, cluster),), warms=warms)
