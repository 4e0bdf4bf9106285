"""Filter chains of connections that are passed on or refused, whatever their bytes are."""

from __future__ import annotations

from typing import Any

from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from podwire.edge.envoy.message import INVALID_CLUSTER, duration, packed
from podwire.mesh.envoy import access_log, golden_metrics
from podwire.mesh.envoy.matching import REFUSED

_TCP = tcp_proxy_pb2.TcpProxy


def chain(name: str, *filters: Any) -> Any:
    """Return a chain of these filters."""
    return listener_components_pb2.FilterChain(name=name, filters=filters)


def connection_proxy(
    cluster: str, fields: dict[str, str] | None = None, counted: golden_metrics.Tags | None = None, **options: Any
) -> Any:
    """Return the filter that passes a connection to a cluster, with a log of these fields, counted by these tags."""
    made = _TCP(stat_prefix=cluster, cluster=cluster, idle_timeout=duration(0), **options)
    if fields:
        made.access_log.append(access_log.access_log(fields))
    if counted:
        made.access_log.extend(golden_metrics.of_connections(counted))
        made.access_log_options.flush_access_log_on_connected = True
    return listener_components_pb2.Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(made))


def refusal(counted: golden_metrics.Tags | None = None, rule: str = "") -> Any:
    """Return the chain of connections that are refused: they are logged, counted by these tags, and closed.

    `rule`: of an AUDIT policy, which matches; the chain has its name.
    """
    name = f"{REFUSED} audit {rule}" if rule else REFUSED
    return chain(name, connection_proxy(INVALID_CLUSTER, access_log.audited(access_log.REFUSED, rule), counted))
