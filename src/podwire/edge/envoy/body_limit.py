"""Limits of requests' bodies that are not buffered: nothing in a listener, a filter in the routes that have one.

The message is Envoy's `extensions/filters/http/body_size_limit/v3` (1.40), which is not in xds-protos yet: it has one
field, number 1, of type UInt64Value.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, wrappers_pb2

from podwire.edge.envoy import filter_of_routes

FILTER = "podwire.body_limit"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit"
_FIELD = b"\x0a"


def listener_filter() -> Any:
    """Return the filter of a listener: routes have what it does."""
    return filter_of_routes.listener_filter(FILTER)


def per_route(most: int) -> Any:
    """Return the filter's configuration for a route: a body of more bytes is answered by 413."""
    value = wrappers_pb2.UInt64Value(value=most).SerializeToString()
    settings = any_pb2.Any(type_url=_TYPE, value=_FIELD + bytes([len(value)]) + value)
    return filter_of_routes.per_route("envoy.filters.http.body_size_limit", settings)
