"""Clusters without endpoints: they connect to the pod that the kernel has chosen, with the address of the client.

Sources: envoy/config/cluster/v3/cluster.proto (ORIGINAL_DST); ip(7), IP_LOCAL_PORT_RANGE.
"""

from __future__ import annotations

from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2, protocol_pb2, socket_option_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from podwire.edge.envoy import lost_peer, resilience
from podwire.edge.envoy.cluster import BUFFER_BYTES
from podwire.edge.envoy.message import duration, packed, resource, transport_socket
from podwire.edge.model.resilience import Resilience
from podwire.edge.xds.resource import CLUSTER, SECRET, Key, Resource
from podwire.mesh.envoy import mutual_tls
from podwire.mesh.identity.certificate import TRUST_BUNDLE
from podwire.redirection.capture import DECRYPTED_PORTS, MESH_PORTS

PEERS, PODS, PODS_OF_TLS = "mesh-peers", "mesh-pods", "mesh-pods-of-tls"
"""Pods of other nodes, by TLS; pods of this node, of clients in plain text and of clients by TLS."""
PEERS_OF_REQUESTS = "mesh-peers-of-requests"
"""As PEERS, of connections that carry requests of routes, which the other node knows by REQUESTS."""
REQUESTS = "podwire-requests"
"""The protocol (ALPN) of these connections."""
CONNECT_SECONDS = 5.0
_SOL_IP, _IP_LOCAL_PORT_RANGE = 0, 51


def clusters(trust_domain: str) -> tuple[Resource, ...]:
    """Return the clusters, which never change."""
    return (
        _peers(PEERS, trust_domain),
        _peers(PEERS_OF_REQUESTS, trust_domain, REQUESTS),
        _resource(_as_client(_cluster(PODS, MESH_PORTS))),
        _resource(_as_client(_cluster(PODS_OF_TLS, DECRYPTED_PORTS))),
    )


def _peers(name: str, trust_domain: str, *protocols: str) -> Resource:
    made = _cluster(name, MESH_PORTS)
    made.transport_socket.CopyFrom(transport_socket(mutual_tls.client(trust_domain, protocols)))
    return _resource(made, warms=((SECRET, TRUST_BUNDLE),))


def _as_client(made: Any) -> Any:
    """Have requests go on in the version of HTTP in which the client sent them."""
    options = http_protocol_options_pb2.HttpProtocolOptions
    both = options.UseDownstreamHttpConfig(http2_protocol_options=protocol_pb2.Http2ProtocolOptions())
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    made.typed_extension_protocol_options[name].CopyFrom(packed(options(use_downstream_protocol_config=both)))
    return made


def _resource(made: Any, warms: tuple[Key, ...] = ()) -> Resource:
    return resource(CLUSTER, made.name, made, warms=warms)


def _cluster(name: str, ports: tuple[int, int]) -> Any:
    made = cluster_pb2.Cluster(
        name=name,
        type=cluster_pb2.Cluster.ORIGINAL_DST,
        lb_policy=cluster_pb2.Cluster.CLUSTER_PROVIDED,
        connect_timeout=duration(CONNECT_SECONDS),
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
        circuit_breakers=resilience.breakers(Resilience()),
        upstream_bind_config=source_ports(ports),
    )
    lost_peer.notice(made)
    return made


def source_ports(ports: tuple[int, int]) -> Any:
    """Return how connections are bound: to ports of this range. The address is that of the client (original_src)."""
    first, last = ports
    option = socket_option_pb2.SocketOption
    return address_pb2.BindConfig(
        source_address=address_pb2.SocketAddress(address="0.0.0.0", port_value=0),  # noqa: S104  replaced by original_src
        extra_source_addresses=[
            address_pb2.ExtraSourceAddress(address=address_pb2.SocketAddress(address="::", port_value=0))
        ],
        socket_options=[
            option(
                description="source ports",
                level=_SOL_IP,
                name=_IP_LOCAL_PORT_RANGE,
                int_value=last << 16 | first,
                state=option.STATE_PREBIND,
            )
        ],
    )
