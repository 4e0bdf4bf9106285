"""Which requests a route of Envoy is for."""

from __future__ import annotations

from typing import Any

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from google.protobuf import wrappers_pb2

from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType


def route_match(match: Match) -> Any:
    """Return the message."""
    headers = [_header(one) for one in match.headers]
    if match.method:
        headers.append(_header(ValueMatch(":method", ValueType.EXACT, match.method)))
    made = route_components_pb2.RouteMatch(
        headers=headers, query_parameters=[_query(one) for one in match.query], **_path(match.path)
    )
    if match.is_grpc:
        made.grpc.SetInParent()
    if match.path.ignore_case:
        made.case_sensitive.CopyFrom(wrappers_pb2.BoolValue(value=False))
    return made


def _path(path: PathMatch) -> dict[str, Any]:
    if path.type is PathType.EXACT:
        return {"path": path.value}
    if path.type is PathType.REGEX:
        return {"safe_regex": regex_pb2.RegexMatcher(regex=path.value)}
    if path.type is PathType.TEXT:
        return {"prefix": path.value}
    if path.value in ("", "/"):
        return {"prefix": "/"}
    return {"path_separated_prefix": path.value.rstrip("/")}


def _header(match: ValueMatch) -> Any:
    return route_components_pb2.HeaderMatcher(name=match.name, **_value(match))


def _query(match: ValueMatch) -> Any:
    return route_components_pb2.QueryParameterMatcher(name=match.name, **_value(match))


def _value(match: ValueMatch) -> dict[str, Any]:
    if match.type is ValueType.EXACT:
        return {"string_match": string_pb2.StringMatcher(exact=match.value)}
    if match.type is ValueType.REGEX:
        return {"string_match": string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=match.value))}
    return {"present_match": match.type is ValueType.PRESENT}
