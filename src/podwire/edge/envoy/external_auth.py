"""Authorization of requests by a service (GEP-1494): nothing in a listener, a whole filter in the routes that have it.

Envoy's own settings by route have no lists of headers, so a route has its filter inside a composite filter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from envoy.config.core.v3 import grpc_service_pb2, http_uri_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from envoy.type.v3 import http_status_pb2

from podwire.edge.envoy import filter_of_routes
from podwire.edge.envoy.message import duration, packed
from podwire.edge.model.filters import ExternalAuth

FILTER = "podwire.ext_authz"
FRAMING = ("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
"""Of one connection or message (RFC 9110, 7.6.1): never copied to another one."""
SECONDS = 10.0
"""Until a service that does not respond has failed: the request is refused then."""


def filters() -> list[Any]:
    """Return the filter of a listener: routes have what it does."""
    return [filter_of_routes.listener_filter(FILTER)]


def per_route(auth: ExternalAuth) -> tuple[str, Any]:
    """Return the name of the filter and its configuration for a route. A service that fails refuses by 500."""
    return FILTER, filter_of_routes.per_route("envoy.filters.http.ext_authz", packed(_filter(auth)))


def _filter(auth: ExternalAuth) -> Any:
    made = ext_authz_pb2.ExtAuthz(
        transport_api_version="V3",
        status_on_error=http_status_pb2.HttpStatus(code=http_status_pb2.InternalServerError),
        disallowed_headers=_names(FRAMING),
    )
    if auth.protocol == "GRPC":
        made.grpc_service.CopyFrom(_grpc(auth.cluster))
    else:
        made.http_service.CopyFrom(_http(auth))
    if auth.request_headers:
        made.allowed_headers.CopyFrom(_names(auth.request_headers))
    if auth.max_body:
        made.with_request_body.CopyFrom(ext_authz_pb2.BufferSettings(max_request_bytes=auth.max_body))
    return made


def _grpc(cluster: str) -> Any:
    envoy = grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=cluster)
    return grpc_service_pb2.GrpcService(envoy_grpc=envoy, timeout=duration(SECONDS))


def _http(auth: ExternalAuth) -> Any:
    """Return the service over HTTP. Without list all headers of its response are added, but none of framing or Host."""
    uri = http_uri_pb2.HttpUri(uri="http://authorization", cluster=auth.cluster, timeout=duration(SECONDS))
    made = ext_authz_pb2.HttpService(server_uri=uri, path_prefix=auth.path.rstrip("/"))
    if auth.response_headers:
        added = _names(one for one in auth.response_headers if one.lower() not in FRAMING)
    else:
        expressions = [regex_pb2.RegexMatcher(regex=one) for one in all_but((*FRAMING, "host"))]
        added = string_pb2.ListStringMatcher(patterns=[string_pb2.StringMatcher(safe_regex=one) for one in expressions])
    made.authorization_response.allowed_upstream_headers.CopyFrom(added)
    return made


def all_but(words: Collection[str]) -> tuple[str, ...]:
    """Return expressions of which one matches each name of a header but these.

    RE2 has no exclusion, and Envoy bounds the size of one expression: so one for each way to differ from a word.
    """
    found = []
    for start in sorted({word[:length] for word in words for length in range(len(word) + 1)}):
        others = "".join(sorted({one[len(start)] for one in words if one.startswith(start) and one != start}))
        further = f"[^:{others}].*"
        found.append(f"{start}{further}" if start in words or not start else f"{start}({further})?")
    return tuple(found)


def _names(names: Iterable[str]) -> Any:
    return string_pb2.ListStringMatcher(
        patterns=[string_pb2.StringMatcher(exact=one, ignore_case=True) for one in names]
    )
