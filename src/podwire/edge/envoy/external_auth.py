"""Authorization of requests by a service (GEP-1494): off in a listener, on in the routes that have it.

Envoy chooses the headers that are sent by filter and not by route, so there are three filters: over gRPC all headers
are sent; over HTTP method, path, Host and Authorization, and all headers where a route names further ones.
"""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import grpc_service_pb2, http_uri_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from envoy.type.v3 import http_status_pb2

from podwire.edge.envoy.message import INVALID_CLUSTER, duration, packed
from podwire.edge.model.filters import ExternalAuth

GRPC_FILTER = "podwire.ext_authz.grpc"
HTTP_FILTER = "podwire.ext_authz.http"
HTTP_HEADERS_FILTER = "podwire.ext_authz.http_headers"
_HOP_BY_HOP = ("connection", "content-length", "keep-alive", "te", "transfer-encoding", "upgrade")
SECONDS = 10.0
"""Until a service that does not respond has failed: the request is refused then."""


def filters() -> list[Any]:
    """Return the filters of a listener. A service that fails refuses the request by 500."""
    http = _http(ExternalAuth(INVALID_CLUSTER, "HTTP"))
    everything = string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=".*"))
    return [
        _filter(GRPC_FILTER, grpc_service=_grpc(INVALID_CLUSTER)),
        _filter(HTTP_FILTER, http_service=http),
        _filter(
            HTTP_HEADERS_FILTER,
            http_service=http,
            allowed_headers=string_pb2.ListStringMatcher(patterns=[everything]),
            disallowed_headers=_names(_HOP_BY_HOP),
        ),
    ]


def per_route(auth: ExternalAuth) -> tuple[str, Any]:
    """Return the name of the filter and its configuration for a route."""
    settings = ext_authz_pb2.CheckSettings()
    name = HTTP_HEADERS_FILTER if auth.request_headers else HTTP_FILTER
    if auth.protocol == "GRPC":
        name = GRPC_FILTER
        settings.grpc_service.CopyFrom(_grpc(auth.cluster))
    else:
        settings.http_service.CopyFrom(_http(auth))
    if auth.max_body:
        settings.with_request_body.CopyFrom(ext_authz_pb2.BufferSettings(max_request_bytes=auth.max_body))
    return name, ext_authz_pb2.ExtAuthzPerRoute(check_settings=settings)


def _filter(name: str, **service: Any) -> Any:
    message = ext_authz_pb2.ExtAuthz(
        transport_api_version="V3",
        status_on_error=http_status_pb2.HttpStatus(code=http_status_pb2.InternalServerError),
        **service,
    )
    return http_connection_manager_pb2.HttpFilter(name=name, typed_config=packed(message), disabled=True)


def _grpc(cluster: str) -> Any:
    envoy = grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=cluster)
    return grpc_service_pb2.GrpcService(envoy_grpc=envoy, timeout=duration(SECONDS))


def _http(auth: ExternalAuth) -> Any:
    uri = http_uri_pb2.HttpUri(uri="http://authorization", cluster=auth.cluster, timeout=duration(SECONDS))
    made = ext_authz_pb2.HttpService(server_uri=uri, path_prefix=auth.path.rstrip("/"))
    if auth.response_headers:
        made.authorization_response.allowed_upstream_headers.CopyFrom(_names(auth.response_headers))
    return made


def _names(names: tuple[str, ...]) -> Any:
    return string_pb2.ListStringMatcher(
        patterns=[string_pb2.StringMatcher(exact=one, ignore_case=True) for one in names]
    )
