"""Filters without settings by route: nothing in a listener, a whole filter inside a composite one in the routes."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import extension_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from podwire.edge.envoy.message import packed

_Matcher = matcher_pb2.Matcher


def listener_filter(name: str) -> Any:
    """Return the filter of a listener, by which routes have their own."""
    composite = extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(composite_pb2.Composite()))
    made = extension_matcher_pb2.ExtensionWithMatcher(extension_config=composite, xds_matcher=_Matcher())
    return http_connection_manager_pb2.HttpFilter(name=name, typed_config=packed(made), disabled=True)


def per_route(name: str, settings: Any) -> Any:
    """Return the configuration for a route: a filter of this name with these settings, packed."""
    own = extension_pb2.TypedExtensionConfig(name=name, typed_config=settings)
    action = composite_pb2.ExecuteFilterAction(typed_config=own)
    whole = xds_extension_pb2.TypedExtensionConfig(name="composite-action", typed_config=packed(action))
    matcher = _Matcher(on_no_match=_Matcher.OnMatch(action=whole))
    return extension_matcher_pb2.ExtensionWithMatcherPerRoute(xds_matcher=matcher)
