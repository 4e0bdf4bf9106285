"""HTTP connections of a listener, with the defaults of a proxy at the edge (Envoy, best_practices/edge)."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import protocol_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.http.stateful_session.v3 import stateful_session_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from podwire.edge.envoy import external_auth
from podwire.edge.envoy.access_log import access_log
from podwire.edge.envoy.message import ads, duration, packed, resource
from podwire.edge.envoy.virtual_host import CORS_FILTER, SESSION_FILTER
from podwire.edge.model.listeners import ProxyOptions
from podwire.edge.xds.resource import ROUTES, VIRTUAL_HOST, Resource

HEADERS_SECONDS = 10.0
STREAMS = 100
STREAM_WINDOW_BYTES = 65_536
CONNECTION_WINDOW_BYTES = 1_048_576
_MANAGER = http_connection_manager_pb2.HttpConnectionManager


def http_filter(table: str, options: ProxyOptions) -> Any:
    """Return the filter that reads requests and routes them by this table."""
    made = _MANAGER(
        stat_prefix="http",
        rds=http_connection_manager_pb2.Rds(route_config_name=table, config_source=ads()),
        use_remote_address={"value": True},
        xff_num_trusted_hops=options.trusted_hops,
        internal_address_config=_MANAGER.InternalAddressConfig(),
        server_header_transformation=_MANAGER.PASS_THROUGH,
        normalize_path={"value": True},
        merge_slashes=True,
        strip_trailing_host_dot=True,
        path_with_escaped_slashes_action=_MANAGER.UNESCAPE_AND_REDIRECT,
        request_headers_timeout=duration(HEADERS_SECONDS),
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(
            idle_timeout=duration(options.idle_timeout),
            headers_with_underscores_action=protocol_pb2.HttpProtocolOptions.REJECT_REQUEST,
        ),
        http2_protocol_options=protocol_pb2.Http2ProtocolOptions(
            max_concurrent_streams={"value": STREAMS},
            initial_stream_window_size={"value": STREAM_WINDOW_BYTES},
            initial_connection_window_size={"value": CONNECTION_WINDOW_BYTES},
        ),
        upgrade_configs=[_MANAGER.UpgradeConfig(upgrade_type="websocket")],
        access_log=access_log(options.access_log),
        http_filters=[
            _filter(CORS_FILTER, cors_pb2.Cors()),
            *external_auth.filters(),
            _filter(SESSION_FILTER, stateful_session_pb2.StatefulSession()),
            _filter("envoy.filters.http.router", router_pb2.Router()),
        ],
    )
    return listener_components_pb2.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=packed(made)
    )


def table(name: str) -> Resource:
    """Return the route table without hosts, which are resources of their own. A port in Host is ignored."""
    made = route_pb2.RouteConfiguration(name=name, ignore_port_in_host_matching=True)
    made.vhds.config_source.CopyFrom(ads())
    return resource(ROUTES, name, made, warms=((VIRTUAL_HOST, name),))


def _filter(name: str, message: Any) -> Any:
    return http_connection_manager_pb2.HttpFilter(name=name, typed_config=packed(message))
