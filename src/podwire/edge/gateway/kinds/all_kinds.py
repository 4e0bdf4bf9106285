"""The kinds of the Gateway API."""

from __future__ import annotations

from podwire.edge.gateway.kinds.backend_tls_policy import BACKEND_TLS_POLICIES
from podwire.edge.gateway.kinds.gateway import GATEWAYS
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.edge.gateway.kinds.grpc_route import GRPC_ROUTES
from podwire.edge.gateway.kinds.http_route import HTTP_ROUTES
from podwire.edge.gateway.kinds.listener_set import LISTENER_SETS
from podwire.edge.gateway.kinds.reference_grant import REFERENCE_GRANTS
from podwire.edge.gateway.kinds.stream_routes import TCP_ROUTES, TLS_ROUTES, UDP_ROUTES

INFRASTRUCTURE = (GATEWAY_CLASSES, GATEWAYS, LISTENER_SETS, REFERENCE_GRANTS)
ROUTES = (HTTP_ROUTES, GRPC_ROUTES, TLS_ROUTES, TCP_ROUTES, UDP_ROUTES)
POLICIES = (BACKEND_TLS_POLICIES,)
KINDS = (*INFRASTRUCTURE, *ROUTES, *POLICIES)
