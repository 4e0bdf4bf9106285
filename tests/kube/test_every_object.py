"""Whatever a server sends for one object: it is read, or skipped by name, and all others are known."""

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.kinds.backend_tls_policy import BACKEND_TLS_POLICIES
from podwire.edge.gateway.kinds.gateway import GATEWAYS
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.edge.gateway.kinds.grpc_route import GRPC_ROUTES
from podwire.edge.gateway.kinds.http_route import HTTP_ROUTES
from podwire.edge.gateway.kinds.listener_set import LISTENER_SETS
from podwire.edge.gateway.kinds.reference_grant import REFERENCE_GRANTS
from podwire.edge.gateway.kinds.stream_routes import TCP_ROUTES, TLS_ROUTES, UDP_ROUTES
from podwire.edge.ingress.kinds import INGRESS_CLASSES, INGRESSES
from podwire.kube import kinds
from podwire.kube.decode import decode
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES
from podwire.mesh.kinds.backend_policy import BACKEND_POLICIES, BACKEND_TRAFFIC_POLICIES
from podwire.mesh.kinds.mesh import MESHES
from podwire.mesh.kinds.request_authentication import REQUEST_AUTHENTICATIONS
from podwire.mesh.kinds.transport_policy import TRANSPORT_POLICIES
from podwire.policy.peers import PEER_PODS
from tests.kube.generated_objects import encoded, mutants

READ = (
    kinds.NAMESPACES,
    kinds.NODES,
    kinds.PODS,
    kinds.SERVICES,
    kinds.ENDPOINT_SLICES,
    kinds.NETWORK_POLICIES,
    kinds.SERVICE_CIDRS,
    kinds.LEASES,
    kinds.EGRESS_GATEWAYS,
    kinds.CLUSTER_NETWORK_POLICIES,
    kinds.CONFIG_MAPS,
    kinds.SECRETS,
    PEER_PODS,
    GATEWAY_CLASSES,
    GATEWAYS,
    LISTENER_SETS,
    HTTP_ROUTES,
    GRPC_ROUTES,
    TLS_ROUTES,
    TCP_ROUTES,
    UDP_ROUTES,
    REFERENCE_GRANTS,
    BACKEND_TLS_POLICIES,
    INGRESSES,
    INGRESS_CLASSES,
    MESHES,
    TRANSPORT_POLICIES,
    BACKEND_POLICIES,
    BACKEND_TRAFFIC_POLICIES,
    AUTHORIZATION_POLICIES,
    REQUEST_AUTHENTICATIONS,
)
"""What agents, DNS servers and controllers of a cluster read."""


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.resource)
def test_null_absent_empty_and_unknown_values_are_read(kind: Kind[Any]) -> None:
    count = 0
    for mutant in mutants(kind):
        count += 1
        refusal = refused(mutant.body, kind)
        # Fields without which an object means nothing; Go's servers never leave them out.
        required = "missing required field" in refusal or "got `null`" in refusal
        assert not refusal or (required and not mutant.in_list), f"{mutant.difference}: {refusal}"
        if refusal:
            assert decode(encoded(mutant.body), Object).metadata.name == "mutant", "what is skipped has a name"
    assert count > 50


def refused(body: dict[str, Any], kind: Kind[Any]) -> str:
    try:
        decode(encoded(body), kind.type)
    except msgspec.ValidationError as error:
        return str(error)
    return ""
