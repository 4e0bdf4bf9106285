"""Counters of requests by Gateway, route and backend: as many as the configuration has, whatever clients send."""

from __future__ import annotations

from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.stats.v3 import stats_pb2

from podwire.edge.envoy.message import packed
from podwire.edge.model.listeners import GatewayPort

PREFIX = "gateway"
"""Of the metrics' names: `envoy_gateway_requests`, `envoy_gateway_duration_milliseconds`."""


def request_metrics(port: GatewayPort) -> Any:
    """Return the access log that counts the requests of a Gateway's port.

    A route is named by object, rule and match; empty: none matched, as backend: none was chosen. Durations are by
    backend only, as a histogram has many values.
    """
    config = stats_pb2.Config
    where = [_tag("gateway", f"{port.namespace}/{port.gateway}"), _tag("port", str(port.port))]
    backend = _tag("backend", "%UPSTREAM_CLUSTER%")
    requests = config.Stat(
        name="requests", tags=[*where, _tag("route", "%ROUTE_NAME%"), backend, _tag("code", "%RESPONSE_CODE%")]
    )
    duration = config.Stat(name="duration_milliseconds", tags=[*where, backend])
    made = config(
        stat_prefix=PREFIX,
        counters=[config.Counter(stat=requests, value_fixed={"value": 1})],
        histograms=[config.Histogram(stat=duration, unit=config.Histogram.Milliseconds, value_format="%DURATION%")],
    )
    return accesslog_pb2.AccessLog(name="envoy.access_loggers.stats", typed_config=packed(made))


def _tag(name: str, value: str) -> Any:
    return stats_pb2.Config.Tag(name=name, value_format=value)
