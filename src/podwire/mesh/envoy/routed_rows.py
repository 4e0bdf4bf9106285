"""Rows of the edge's model as a node's Envoy has them: its clusters connect to a listener inside it, `leg`.

The endpoints are names of connections inside Envoy. Where one leads is in its metadata, who the client is in the
state of the connection: a connection of its own for each client. Source: Envoy's "Internal listener".
"""

from __future__ import annotations

from typing import Any

import msgspec
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from podwire.edge.envoy import rows
from podwire.edge.envoy.cluster import HTTP_OPTIONS
from podwire.edge.envoy.message import packed, resource
from podwire.edge.envoy.rows import Row
from podwire.edge.model.backends import Cluster, Endpoints
from podwire.edge.model.routes import VirtualHost
from podwire.edge.xds.resource import LISTENER, Resource
from podwire.mesh.envoy import further_tries, inside, opened

BODY_BYTES = 262_144
"""Of a request's body are kept for a further try. A request with more that was sent by then is not tried again."""
DESTINATION = "envoy.filters.listener.original_dst"
"""Metadata of an endpoint: `local` is its address and port."""


def resources(row: Row, node: str = "") -> tuple[Resource, ...]:
    """Return the resources of a row for the Envoy of a node; names and needs are those of the edge.

    Endpoints on the node follow the listener `leg`, which leads requests to a pod that it does not have past the
    policies of the pod.
    """
    made = rows.resources(row)
    if isinstance(row, Cluster):
        return tuple(_changed(one, cluster_pb2.Cluster.FromString(one.body), _lead_inside) for one in made)
    if isinstance(row, Endpoints):
        assignment = endpoint_pb2.ClusterLoadAssignment
        named = (_changed(one, assignment.FromString(one.body), _name_endpoints) for one in made)
        follows = ((LISTENER, inside.LEG),) if any(one.node in (node, "") for one in row.endpoints) else ()
        return tuple(msgspec.structs.replace(one, follows=follows) for one in named)
    if isinstance(row, VirtualHost):
        host = route_components_pb2.VirtualHost
        return tuple(_changed(one, host.FromString(one.body), _try_again) for one in made)
    return made


def _changed(one: Resource, message: Any, change: Any) -> Resource:
    change(message)
    return resource(one.type_url, one.name, message, one.requires, one.warms)


def _try_again(host: Any) -> None:
    host.request_body_buffer_limit.value = BODY_BYTES
    further_tries.keep_limits(host)
    for one in host.routes:
        if one.HasField("route") and one.route.HasField("retry_policy"):
            opened.retry(one.route.retry_policy)


def _lead_inside(cluster: Any) -> None:
    if HTTP_OPTIONS in cluster.typed_extension_protocol_options:
        typed = cluster.typed_extension_protocol_options[HTTP_OPTIONS]
        options = http_protocol_options_pb2.HttpProtocolOptions.FromString(typed.value)
        if options.HasField("retry_policy"):
            opened.retry(options.retry_policy)
            typed.CopyFrom(packed(options))
    if cluster.HasField("transport_socket"):  # its handshake is the pod's own
        cluster.transport_socket.CopyFrom(inside.transport(cluster.transport_socket, DESTINATION))
    elif HTTP_OPTIONS in cluster.typed_extension_protocol_options:
        opened.mark(cluster)
        cluster.transport_socket.CopyFrom(inside.transport(opened.client(), DESTINATION, of_cluster=opened.METADATA))
    else:
        cluster.transport_socket.CopyFrom(inside.transport(inside.plain(), DESTINATION))


def _name_endpoints(assignment: Any) -> None:
    for one in (endpoint for locality in assignment.endpoints for endpoint in locality.lb_endpoints):
        socket = one.endpoint.address.socket_address
        host = f"[{socket.address}]" if ":" in socket.address else socket.address
        name = f"{host}:{socket.port_value}"
        address = address_pb2.EnvoyInternalAddress(server_listener_name=inside.LEG, endpoint_id=name)
        one.endpoint.address.CopyFrom(address_pb2.Address(envoy_internal_address=address))
        one.metadata.filter_metadata[DESTINATION].update({"local": name})
