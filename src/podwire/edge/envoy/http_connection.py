"""HTTP connections of a listener, with the defaults of a proxy at the edge (Envoy, best_practices/edge)."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import address_pb2, base_pb2, protocol_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.buffer.v3 import buffer_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.http.stateful_session.v3 import stateful_session_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from podwire.edge.envoy import (
    basic_auth,
    body_limit,
    client_ranges,
    compression,
    external_auth,
    fault,
    nginx_manner,
    rate_limit,
    script,
    subject,
)
from podwire.edge.envoy.access_log import access_log
from podwire.edge.envoy.message import ads, duration, packed, resource
from podwire.edge.envoy.request_metrics import request_metrics
from podwire.edge.envoy.tracing import tracing
from podwire.edge.envoy.virtual_host import BUFFER_FILTER, CORS_FILTER, SESSION_FILTER
from podwire.edge.model.listeners import Listener, ProxyOptions
from podwire.edge.model.tls import ClientValidation, ServerTls
from podwire.edge.xds.resource import ROUTES, VIRTUAL_HOST, Resource

HEADERS_SECONDS = 10.0
STREAMS = 100
STREAM_WINDOW_BYTES = 65_536
CONNECTION_WINDOW_BYTES = 1_048_576
ALTERNATIVE_SECONDS = 86_400
_MANAGER = http_connection_manager_pb2.HttpConnectionManager


def http_filter(table: str, row: Listener, tls: ServerTls | None) -> Any:
    """Return the filter that reads requests of a chain of a listener and routes them by this table."""
    options = row.options
    made = _MANAGER(
        stat_prefix="http",
        rds=http_connection_manager_pb2.Rds(route_config_name=table, config_source=ads()),
        use_remote_address={"value": True},
        xff_num_trusted_hops=options.trusted_hops,
        internal_address_config=_nobody_internal(),
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
        access_log=[
            *access_log(options.access_log, row.port, by_script=options.as_nginx),
            request_metrics(row.port),
        ],
        **_protocol(row),
        **_filters(options),
    )
    if options.as_nginx:
        nginx_manner.apply(made, options)
    if options.tracing is not None:
        made.tracing.CopyFrom(tracing(options.tracing, row.port))
    if options.forwards_client_certificate and tls is not None and tls.authorities:
        _forward_certificate(made, tls)
    return listener_components_pb2.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=packed(made)
    )


def _nobody_internal() -> Any:
    """Return the addresses whose x-envoy headers are trusted: none.

    Without any range Envoy trusts private addresses (CVE-2024-45806). This one is of no client (RFC 1122, 3.2.1.3).
    """
    no_address = address_pb2.CidrRange(address_prefix="255.255.255.255", prefix_len={"value": 32})
    return _MANAGER.InternalAddressConfig(cidr_ranges=[no_address])


def _protocol(row: Listener) -> dict[str, Any]:
    """Return the limits of what the listener speaks: HTTP/3, or HTTP/1.1 and HTTP/2 as the client chooses."""
    if row.is_quic:
        limits = protocol_pb2.QuicProtocolOptions(
            max_concurrent_streams={"value": STREAMS},
            initial_stream_window_size={"value": STREAM_WINDOW_BYTES},
            initial_connection_window_size={"value": CONNECTION_WINDOW_BYTES},
        )
        http3 = protocol_pb2.Http3ProtocolOptions(quic_protocol_options=limits)
        return {"codec_type": _MANAGER.HTTP3, "http3_protocol_options": http3}
    http2 = protocol_pb2.Http2ProtocolOptions(
        max_concurrent_streams={"value": STREAMS},
        initial_stream_window_size={"value": STREAM_WINDOW_BYTES},
        initial_connection_window_size={"value": CONNECTION_WINDOW_BYTES},
    )
    return {"http2_protocol_options": http2}


def _filters(options: ProxyOptions) -> dict[str, Any]:
    """Return the filters of requests; a WebSocket, which has no end, is not buffered."""
    scripts = [script.listener_filter(), subject.listener_filter(), body_limit.listener_filter()]
    first = [
        *(compression.listener_filter(one) for one in options.compressions),
        *([nginx_manner.escapes_filter()] if options.as_nginx else ()),
        _off(CORS_FILTER, cors_pb2.Cors()),
        _off(rate_limit.FILTER, rate_limit.listener_filter()),
        _off(fault.FILTER, fault.listener_filter()),
        _off(client_ranges.FILTER, client_ranges.listener_filter()),
        *(scripts if options.as_nginx else ()),
        basic_auth.listener_filter(),
        *external_auth.filters(),
    ]
    last = [
        _off(SESSION_FILTER, stateful_session_pb2.StatefulSession()),
        _filter("envoy.filters.http.router", router_pb2.Router()),
    ]
    upgrade = _MANAGER.UpgradeConfig(upgrade_type="websocket")
    if not options.max_request_bytes:
        return {"http_filters": [*first, *last], "upgrade_configs": [upgrade]}
    limit = _filter(BUFFER_FILTER, buffer_pb2.Buffer(max_request_bytes={"value": options.max_request_bytes}))
    upgrade.filters.extend([*first, *last])
    return {"http_filters": [*first, limit, *last], "upgrade_configs": [upgrade]}


def _forward_certificate(made: Any, tls: ServerTls) -> None:
    """Pass on the client's certificate; its names only where they are verified. A client's own header is removed."""
    made.forward_client_cert_details = _MANAGER.SANITIZE_SET
    details = made.set_current_client_cert_details
    details.cert = True
    if tls.validation is ClientValidation.REQUIRED:
        details.subject.value = details.dns = details.uri = True


def table(name: str, row: Listener) -> Resource:
    """Return a route table of a listener without hosts, which are resources of their own. A port in Host is ignored.

    Responses announce HTTP/3 where the port has it (RFC 7838).
    """
    made = route_pb2.RouteConfiguration(name=name, ignore_port_in_host_matching=True)
    if row.options.as_nginx:
        nginx_manner.describe_client(made, row.port.port)
    if row.announces_http3:
        value = base_pb2.HeaderValue(key="alt-svc", value=f'h3=":{row.port.port}"; ma={ALTERNATIVE_SECONDS}')
        option = base_pb2.HeaderValueOption(
            header=value, append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        )
        made.response_headers_to_add.append(option)
    made.vhds.config_source.CopyFrom(ads())
    return resource(ROUTES, name, made, warms=((VIRTUAL_HOST, name),))


def _off(name: str, message: Any) -> Any:
    """Return a filter that only routes with a configuration of theirs have: the others do not pay for it."""
    return http_connection_manager_pb2.HttpFilter(name=name, typed_config=packed(message), disabled=True)


def _filter(name: str, message: Any) -> Any:
    return http_connection_manager_pb2.HttpFilter(name=name, typed_config=packed(message))
