"""The filter chain of a pod's port whose requests are read, because policies are about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from envoy.config.core.v3 import protocol_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from podwire.edge.envoy.http_connection import CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES, STREAMS
from podwire.edge.envoy.message import duration, packed
from podwire.mesh.authorization.model import Policy
from podwire.mesh.authorization.tokens import TokenPolicy
from podwire.mesh.envoy import access_log, filter_state, golden_metrics, opened
from podwire.mesh.envoy.authorization import AUDIT_PREFIX, METADATA, normalise, request_filters

_MANAGER = http_connection_manager_pb2.HttpConnectionManager
_AUDIT = f"%DYNAMIC_METADATA({METADATA}:{AUDIT_PREFIX}shadow_effective_policy_id)%"
"""The rule of an AUDIT policy that matches the request."""


def request_chain(
    policies: Iterable[Policy],
    tokens: Iterable[TokenPolicy],
    port: int,
    cluster: str,
    fields: dict[str, str],
    counted: golden_metrics.Tags,
) -> Any:
    """Return the chain; its name follows from what it does, so that pods with the same policies share it."""
    manager = _manager(cluster)
    manager.http_filters.extend(request_filters(policies, tokens, port))
    router = packed(router_pb2.Router(suppress_envoy_headers=True))
    manager.http_filters.append(http_connection_manager_pb2.HttpFilter(name="router", typed_config=router))
    log = access_log.access_log(access_log.audited(fields, _AUDIT))
    manager.access_log.extend((log, golden_metrics.of_read_requests(counted)))
    states = filter_state.on_connection({filter_state.DESTINATION: filter_state.SERVER})
    http = listener_components_pb2.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=packed(manager)
    )
    digest = hashlib.blake2b(manager.SerializeToString(deterministic=True), digest_size=8).hexdigest()
    return listener_components_pb2.FilterChain(name=f"requests-{digest}", filters=[states, http])


def _manager(cluster: str) -> Any:
    """Return the connection manager. It adds and removes no header but that of a certificate, which a client sent."""
    made = _MANAGER(
        stat_prefix="requests",
        route_config=_routes(cluster),
        use_remote_address={"value": True},
        skip_xff_append=True,
        server_header_transformation=_MANAGER.PASS_THROUGH,
        forward_client_cert_details=_MANAGER.SANITIZE,
        generate_request_id={"value": False},
        stream_idle_timeout=duration(0),
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=duration(0)),
        upgrade_configs=[_MANAGER.UpgradeConfig(upgrade_type="websocket")],
        http2_protocol_options=protocol_pb2.Http2ProtocolOptions(
            max_concurrent_streams={"value": STREAMS},
            initial_stream_window_size={"value": STREAM_WINDOW_BYTES},
            initial_connection_window_size={"value": CONNECTION_WINDOW_BYTES},
        ),
    )
    normalise(made)
    made.local_reply_config.CopyFrom(opened.local_reply())
    return made


def _routes(cluster: str) -> Any:
    action = route_components_pb2.RouteAction(cluster=cluster, timeout=duration(0))
    every = route_components_pb2.Route(match=route_components_pb2.RouteMatch(prefix="/"), route=action)
    host = route_components_pb2.VirtualHost(name="pod", domains=["*"], routes=[every])
    return route_pb2.RouteConfiguration(name="pod", virtual_hosts=[host])
