"""Variables of a request by which an endpoint of a ring is chosen: each is hashed for itself."""

from __future__ import annotations

from typing import Any

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import regex_pb2

from podwire.edge.model.script import Part, Template

_POLICY = route_components_pb2.RouteAction.HashPolicy
_HEADERS = {
    "host": ":authority",
    "http_host": ":authority",
    "scheme": ":scheme",
    "request_uri": ":path",
    "escaped_request_uri": ":path",
    "request_method": ":method",
    "request_id": "x-request-id",
}


def policies(keys: Template) -> list[Any]:
    """Return a policy for each variable."""
    return [_policy(one) for one in keys]


def _policy(key: Part) -> Any:
    match key.variable:
        case "remote_addr":
            return _POLICY(connection_properties=_POLICY.ConnectionProperties(source_ip=True))
        case "arg":
            return _POLICY(query_parameter=_POLICY.QueryParameter(name=key.name))
        case "cookie":
            return _POLICY(cookie=_POLICY.Cookie(name=key.name))
        case "http":
            return _POLICY(header=_POLICY.Header(header_name=key.name))
        case "uri":
            return _path(r"^([^?]*).*$")
        case "args":
            return _path(r"^[^?]*[?]?(.*)$")
        case name:
            return _POLICY(header=_POLICY.Header(header_name=_HEADERS[name]))


def _path(part: str) -> Any:
    rewrite = regex_pb2.RegexMatchAndSubstitute(pattern=regex_pb2.RegexMatcher(regex=part), substitution=r"\1")
    return _POLICY(header=_POLICY.Header(header_name=":path", regex_rewrite=rewrite))
