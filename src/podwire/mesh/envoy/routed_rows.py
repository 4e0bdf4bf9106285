"""Rows of the edge's model as a node's Envoy has them: its clusters lead to a listener inside it, `leg`.

The endpoints are names of connections inside Envoy. Where one leads is said by its metadata, who the client is by the
state of the connection: a connection of its own for each client. Source: Envoy's "Internal listener".
"""

from __future__ import annotations

from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_components_pb2

from podwire.edge.envoy import rows
from podwire.edge.envoy.message import resource
from podwire.edge.envoy.rows import Row
from podwire.edge.model.backends import Cluster, Endpoints
from podwire.edge.model.routes import VirtualHost
from podwire.edge.xds.resource import Resource
from podwire.mesh.envoy import further_tries, inside

DESTINATION = "envoy.filters.listener.original_dst"
"""Metadata of an endpoint: `local` is its address and port."""


def resources(row: Row) -> tuple[Resource, ...]:
    """Return the resources of a row; names and needs are those of the edge."""
    made = rows.resources(row)
    if isinstance(row, Cluster):
        return tuple(_changed(one, cluster_pb2.Cluster.FromString(one.body), _lead_inside) for one in made)
    if isinstance(row, Endpoints):
        assignment = endpoint_pb2.ClusterLoadAssignment
        return tuple(_changed(one, assignment.FromString(one.body), _name_endpoints) for one in made)
    if isinstance(row, VirtualHost):
        host = route_components_pb2.VirtualHost
        return tuple(_changed(one, host.FromString(one.body), further_tries.keep_limits) for one in made)
    return made


def _changed(one: Resource, message: Any, change: Any) -> Resource:
    change(message)
    return resource(one.type_url, one.name, message, one.requires, one.warms)


def _lead_inside(cluster: Any) -> None:
    own = cluster.transport_socket if cluster.HasField("transport_socket") else inside.plain()
    cluster.transport_socket.CopyFrom(inside.transport(own, DESTINATION))


def _name_endpoints(assignment: Any) -> None:
    for one in (endpoint for locality in assignment.endpoints for endpoint in locality.lb_endpoints):
        socket = one.endpoint.address.socket_address
        host = f"[{socket.address}]" if ":" in socket.address else socket.address
        name = f"{host}:{socket.port_value}"
        address = address_pb2.EnvoyInternalAddress(server_listener_name=inside.LEG, endpoint_id=name)
        one.endpoint.address.CopyFrom(address_pb2.Address(envoy_internal_address=address))
        one.metadata.filter_metadata[DESTINATION].update({"local": name})
