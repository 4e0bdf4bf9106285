"""Clusters that connect to a listener inside the same Envoy, where a client's identity is known.

Sources: Envoy's "Internal listener"; envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream.proto.
"""

from __future__ import annotations

from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2, base_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.transport_sockets.internal_upstream.v3 import internal_upstream_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.type.metadata.v3 import metadata_pb2

from podwire.edge.envoy import resilience
from podwire.edge.envoy.cluster import BUFFER_BYTES
from podwire.edge.envoy.message import packed, resource
from podwire.edge.model.resilience import Resilience
from podwire.edge.xds.resource import CLUSTER, Resource

INSIDE, INSIDE_TLS = "mesh-inside", "mesh-inside-tls"
"""Names of a listener and of the cluster that connects to it: of clients in plain text, and of those by TLS."""
SELF = "mesh-self"
"""The same, of requests of a pod to itself."""
LEG = "mesh-leg"
"""Name of the listener that connections to the endpoints of routes enter."""


def clusters(*names: str) -> tuple[Resource, ...]:
    """Return the clusters that connect to the listeners of these names."""
    return tuple(resource(CLUSTER, name, _cluster(name)) for name in names)


def _cluster(name: str) -> Any:
    address = address_pb2.Address(
        envoy_internal_address=address_pb2.EnvoyInternalAddress(server_listener_name=name, endpoint_id=name)
    )
    endpoint = endpoint_components_pb2.LbEndpoint(endpoint=endpoint_components_pb2.Endpoint(address=address))
    return cluster_pb2.Cluster(
        name=name,
        type=cluster_pb2.Cluster.STATIC,
        load_assignment=endpoint_pb2.ClusterLoadAssignment(
            cluster_name=name,
            endpoints=[endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=[endpoint])],
        ),
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
        circuit_breakers=resilience.breakers(Resilience()),
        transport_socket=transport(plain()),
    )


def plain() -> Any:
    """Return a transport socket that leaves bytes as they are."""
    message = packed(raw_buffer_pb2.RawBuffer())
    return base_pb2.TransportSocket(name="envoy.transport_sockets.raw_buffer", typed_config=message)


def transport(socket: Any, *metadata: str, of_cluster: str = "") -> Any:
    """Return a transport socket to a listener inside Envoy, which gets metadata of the endpoint and of the cluster."""
    source = internal_upstream_pb2.InternalUpstreamTransport.MetadataValueSource
    host = metadata_pb2.MetadataKind(host=metadata_pb2.MetadataKind.Host())
    passed = [source(kind=host, name=one) for one in metadata]
    if of_cluster:
        passed.append(
            source(kind=metadata_pb2.MetadataKind(cluster=metadata_pb2.MetadataKind.Cluster()), name=of_cluster)
        )
    inner = internal_upstream_pb2.InternalUpstreamTransport(passthrough_metadata=passed, transport_socket=socket)
    return base_pb2.TransportSocket(name="envoy.transport_sockets.internal_upstream", typed_config=packed(inner))
