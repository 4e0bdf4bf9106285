"""The endpoints of a port of a Service (EDS)."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2

from podwire.edge.envoy.message import resource
from podwire.edge.model.backends import Endpoint, Endpoints
from podwire.edge.xds.resource import ENDPOINTS, Key, Resource


def endpoints(row: Endpoints) -> Resource:
    """Return the resource; a port without endpoints has an empty one, so that its clusters are in place."""
    name = str(row.port)
    made = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    for number, priority in enumerate(sorted({one.priority for one in row.endpoints})):  # Envoy wants them without gaps
        found = [_endpoint(one) for one in sorted(row.endpoints) if one.priority == priority]
        made.endpoints.append(endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=found, priority=number))
    return resource(ENDPOINTS, name, made)


def key(row: Endpoints) -> Key:
    """Return type and name of the resource."""
    return ENDPOINTS, str(row.port)


def _endpoint(one: Endpoint) -> Any:
    address = address_pb2.Address(socket_address=address_pb2.SocketAddress(address=one.address, port_value=one.port))
    made = endpoint_components_pb2.LbEndpoint(endpoint=endpoint_components_pb2.Endpoint(address=address))
    made.load_balancing_weight.value = one.weight
    return made
