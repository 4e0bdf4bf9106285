"""A port of a Service as a cluster, its endpoints by EDS."""

from __future__ import annotations

from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import health_check_pb2, protocol_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from podwire.edge.envoy import lost_peer, resilience, retries, tls
from podwire.edge.envoy.message import ads, duration, packed, resource, transport_socket
from podwire.edge.model.backends import Balancing, Cluster, Transport
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, Key, Resource

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
BUFFER_BYTES = 32_768
STICKY = (health_check_pb2.UNKNOWN, health_check_pb2.HEALTHY, health_check_pb2.DEGRADED, health_check_pb2.DRAINING)
"""Health of endpoints that sessions stay at: UNKNOWN is that of all that have no health in EDS, as here."""
ALPN = {Transport.HTTP1: ("http/1.1",), Transport.H2C: ("h2",)}


def cluster(row: Cluster) -> Resource:
    """Return the resource; an Envoy requests its endpoints and secrets."""
    made = cluster_pb2.Cluster(
        name=row.name,
        type=cluster_pb2.Cluster.EDS,
        eds_cluster_config=cluster_pb2.Cluster.EdsClusterConfig(eds_config=ads(), service_name=str(row.port)),
        connect_timeout=duration(row.connect_timeout),
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
        lb_policy=_policy(row),
        circuit_breakers=resilience.breakers(row.resilience),
        ignore_health_on_host_removal=True,
    )
    if row.transport is not Transport.UDP:
        lost_peer.notice(made)
    if options := _http(row):
        made.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(packed(options))
    resilience.apply(made, row.resilience)
    if row.is_sticky:
        made.common_lb_config.override_host_status.CopyFrom(health_check_pb2.HealthStatusSet(statuses=STICKY))
    warms: tuple[Key, ...] = ((ENDPOINTS, str(row.port)),)
    if row.tls:
        made.transport_socket.CopyFrom(transport_socket(tls.backend(row.tls, ALPN.get(row.transport, ()))))
        warms += tls.secrets_of_backend(row.tls)
    return resource(CLUSTER, row.name, made, warms=warms)


def key(row: Cluster) -> Key:
    """Return type and name of the resource."""
    return CLUSTER, row.name


_POLICIES = {
    Balancing.LEAST_REQUEST: cluster_pb2.Cluster.LEAST_REQUEST,
    Balancing.ROUND_ROBIN: cluster_pb2.Cluster.ROUND_ROBIN,
    Balancing.RING_HASH: cluster_pb2.Cluster.RING_HASH,
}


def _policy(row: Cluster) -> Any:
    if row.transport in (Transport.TCP, Transport.UDP):
        return cluster_pb2.Cluster.RANDOM
    return _POLICIES[row.balancing]


def _http(row: Cluster) -> Any:
    explicit = http_protocol_options_pb2.HttpProtocolOptions.ExplicitHttpConfig
    if row.transport is Transport.H2C:
        given = explicit(http2_protocol_options=protocol_pb2.Http2ProtocolOptions())
    elif row.transport is Transport.HTTP1:
        given = explicit(http_protocol_options=protocol_pb2.Http1ProtocolOptions())
    else:
        return None
    made = http_protocol_options_pb2.HttpProtocolOptions(explicit_http_config=given)
    if not row.has_own_retries:  # the policy of a cluster replaces that of a route (Envoy 1.40, tried)
        made.retry_policy.CopyFrom(retries.safe())
    return made
