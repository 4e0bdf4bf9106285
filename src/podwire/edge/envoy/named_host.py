"""A server that is no Service, as a cluster: one address, or a name that is resolved again when its answer expires."""

from __future__ import annotations

import ipaddress
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2

from podwire.edge.envoy import tls
from podwire.edge.envoy.message import duration, resource, transport_socket
from podwire.edge.model.backends import CONNECT_SECONDS, NamedHost
from podwire.edge.model.tls import BackendTls
from podwire.edge.xds.resource import CLUSTER, Key, Resource


def cluster(row: NamedHost) -> Resource:
    """Return the cluster. A certificate must be of the name and of an authority of the system."""
    made = cluster_pb2.Cluster(
        name=row.name,
        type=cluster_pb2.Cluster.STATIC if is_address(row.host) else cluster_pb2.Cluster.STRICT_DNS,
        connect_timeout=duration(CONNECT_SECONDS),
        respect_dns_ttl=True,
        load_assignment=assignment(row.name, row.host, row.port),
    )
    if row.is_encrypted:
        made.transport_socket.CopyFrom(transport_socket(tls.backend(BackendTls(row.host), ("http/1.1",))))
    return resource(CLUSTER, row.name, made)


def key(row: NamedHost) -> Key:
    """Return type and name of the resource."""
    return CLUSTER, row.name


def assignment(name: str, host: str, port: int) -> Any:
    """Return the only endpoint of a cluster."""
    address = address_pb2.Address(socket_address=address_pb2.SocketAddress(address=host, port_value=port))
    endpoint = endpoint_components_pb2.LbEndpoint(endpoint=endpoint_components_pb2.Endpoint(address=address))
    found = endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=[endpoint])
    return endpoint_pb2.ClusterLoadAssignment(cluster_name=name, endpoints=[found])


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
