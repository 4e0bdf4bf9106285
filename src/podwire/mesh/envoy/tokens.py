"""Verification of tokens by Envoy's filter jwt_authn. Keys are fetched by the node and read from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2, http_uri_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from google.protobuf import empty_pb2

from podwire.edge.envoy.message import duration, packed, resource
from podwire.edge.xds.resource import CLUSTER, Resource
from podwire.mesh.authorization.tokens import Issuer, TokenPolicy

FILTER = "envoy.filters.http.jwt_authn"
"""The filter's name is that of its dynamic metadata."""
CLAIMS = "claims"
"""Under which the verified claims are in the metadata."""
KEYS_CLUSTER = "mesh-jwks"
"""The node's server of key sets, at /NAME each."""
KEYS_SECONDS = 10.0
"""Between two readings of a key set from the node, which fetches it as often as its server allows."""
FETCH_SECONDS = 5.0


def token_filters(policies: Iterable[TokenPolicy]) -> Iterator[Any]:
    """Yield the filter that verifies tokens of all issuers of these policies; none, where there is none.

    A request whose token is wrong, expired, of another issuer or of unknown keys is answered by 401.
    """
    issuers = list(dict.fromkeys(issuer for one in policies for issuer in one.issuers))
    if not issuers:
        return
    names = {f"issuer-{number}": one for number, one in enumerate(issuers)}
    ways = [config_pb2.JwtRequirement(provider_name=name) for name in names]
    ways.append(config_pb2.JwtRequirement(allow_missing=empty_pb2.Empty()))
    any_way = config_pb2.JwtRequirement(requires_any=config_pb2.JwtRequirementOrList(requirements=ways))
    everything = route_components_pb2.RouteMatch(prefix="/")
    made = config_pb2.JwtAuthentication(
        providers={name: _provider(one) for name, one in names.items()},
        rules=[config_pb2.RequirementRule(match=everything, requires=any_way)],
    )
    yield http_connection_manager_pb2.HttpFilter(name=FILTER, typed_config=packed(made))


def keys_cluster(socket: str) -> Resource:
    """Return the cluster of the node's server of key sets, which listens on a unix socket."""
    address = address_pb2.Address(pipe=address_pb2.Pipe(path=socket))
    endpoint = endpoint_components_pb2.LbEndpoint(endpoint=endpoint_components_pb2.Endpoint(address=address))
    made = cluster_pb2.Cluster(
        name=KEYS_CLUSTER,
        type=cluster_pb2.Cluster.STATIC,
        connect_timeout=duration(FETCH_SECONDS),
        load_assignment=endpoint_pb2.ClusterLoadAssignment(
            cluster_name=KEYS_CLUSTER,
            endpoints=[endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=[endpoint])],
        ),
    )
    return resource(CLUSTER, KEYS_CLUSTER, made)


def _provider(one: Issuer) -> Any:
    made = config_pb2.JwtProvider(
        issuer=one.issuer,
        audiences=one.audiences,
        forward=one.forward,
        from_headers=[config_pb2.JwtHeader(name=each.name, value_prefix=each.prefix) for each in one.headers],
        from_params=one.parameters,
        from_cookies=one.cookies,
        forward_payload_header=one.payload_header,
        payload_in_metadata=CLAIMS,
        normalize_payload_in_metadata=config_pb2.JwtProvider.NormalizePayload(space_delimited_claims=["scope"]),
        claim_to_headers=[
            config_pb2.JwtClaimToHeader(header_name=header, claim_name=claim) for header, claim in one.claim_headers
        ],
    )
    made.remote_jwks.CopyFrom(_served_by_node(one))
    return made


def _served_by_node(one: Issuer) -> Any:
    """The listener does not wait for the keys: tokens are refused until they are there."""
    uri = http_uri_pb2.HttpUri(
        uri=f"http://jwks/{one.keys_name}", cluster=KEYS_CLUSTER, timeout=duration(FETCH_SECONDS)
    )
    again = config_pb2.JwksAsyncFetch(fast_listener=True, failed_refetch_duration=duration(1))
    return config_pb2.RemoteJwks(http_uri=uri, cache_duration=duration(KEYS_SECONDS), async_fetch=again)
