"""What a node's Envoy counts of requests and connections: the raw form of Istio's golden metrics.

Envoy counts by itself: a stream of access logs to `podwire mesh-node` costs three times the processor time, and loses
what happens while that is away. Addresses are resolved when the counters are read (`podwire.mesh.telemetry`). A
histogram has 17 KB for each set of its tags, so theirs are fewer.
Source: envoy/extensions/access_loggers/stats/v3/stats.proto.
"""

from __future__ import annotations

from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.data.accesslog.v3 import accesslog_pb2 as accesslog_data_pb2
from envoy.extensions.access_loggers.stats.v3 import stats_pb2

from podwire.edge.envoy.message import packed
from podwire.mesh.envoy import filter_state
from podwire.mesh.telemetry import counted

_TYPE = accesslog_data_pb2.AccessLogType
_CONFIG = stats_pb2.Config
_SERVER_HOST = "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"
_OUTBOUND_CLIENT = {counted.REPORTER: counted.SOURCE, counted.CLIENT: filter_state.CLIENT_HOST}
_INBOUND = {
    counted.REPORTER: counted.DESTINATION,
    counted.CLIENT: f"%FILTER_STATE({filter_state.SOURCE_ADDRESS}:PLAIN)%",
    counted.CLIENT_ID: f"%FILTER_STATE({filter_state.SOURCE_IDENTITY}:PLAIN)%",
    counted.SERVER: _SERVER_HOST,
}
_RESULT = {counted.CODE: "%RESPONSE_CODE%", counted.FLAGS: "%RESPONSE_FLAGS%"}

Tags = dict[str, str]

TO_PEERS: Tags = {
    **_OUTBOUND_CLIENT,
    counted.CLIENT_ID: "%UPSTREAM_LOCAL_URI_SAN%",
    counted.SERVER: _SERVER_HOST,
    counted.SERVER_ID: "%UPSTREAM_PEER_URI_SAN%",
    counted.SECURITY: counted.MUTUAL_TLS,
}
"""Of connections to pods of other nodes by TLS."""
TO_OTHERS: Tags = {**_OUTBOUND_CLIENT, counted.SERVER: _SERVER_HOST, counted.SECURITY: counted.PLAIN}
"""Of connections that a route forwards to what is not in the mesh."""
FROM_NODE: Tags = {**_INBOUND, counted.SECURITY: counted.SAME_NODE}
FROM_PEERS: Tags = {**_INBOUND, counted.SECURITY: counted.MUTUAL_TLS}
"""Of connections to pods of the node: that came in plain text, and by TLS. Without an identity both are plain text."""


def of_connections(tags: Tags) -> tuple[Any, Any]:
    """Return the logs that count connections: one when the server is connected, one at the end."""
    every = tags | {counted.FLAGS: _RESULT[counted.FLAGS]}
    opened = (_counter(counted.OPENED, every),)
    closed = (
        _counter(counted.CLOSED, every),
        _counter(counted.SENT, every, "%BYTES_SENT%"),
        _counter(counted.RECEIVED, every, "%BYTES_RECEIVED%"),
    )
    return _log(opened, at=_TYPE.TcpUpstreamConnected), _log(closed, at=_TYPE.TcpConnectionEnd)


def of_routed_requests(service: str) -> Any:
    """Return the log that counts requests at the client's node, by routes of a Service (`NAMESPACE/NAME`)."""
    few = {**_OUTBOUND_CLIENT, counted.SERVICE: service, counted.BACKEND: "%UPSTREAM_CLUSTER%"}
    return _of_requests({**few, counted.SERVER: "%UPSTREAM_HOST%", counted.ROUTE: "%ROUTE_NAME%"}, few)


def of_read_requests(tags: Tags) -> Any:
    """Return the log that counts requests at the server's node, where policies decide by them."""
    return _of_requests(tags, {name: text for name, text in tags.items() if name != counted.CLIENT})


def _of_requests(every: Tags, few: Tags) -> Any:
    values = {
        counted.DURATION: (_CONFIG.Histogram.Milliseconds, "%DURATION%"),
        counted.REQUEST_BYTES: (_CONFIG.Histogram.Bytes, "%BYTES_RECEIVED%"),
        counted.RESPONSE_BYTES: (_CONFIG.Histogram.Bytes, "%BYTES_SENT%"),
    }
    histograms = [
        _CONFIG.Histogram(stat=_stat(name, few), unit=unit, value_format=value)
        for name, (unit, value) in values.items()
    ]
    return _log((_counter(counted.REQUESTS, every | _RESULT),), histograms)


def _counter(name: str, tags: Tags, value: str = "") -> Any:
    amount: dict[str, Any] = {"value_format": value} if value else {"value_fixed": {"value": 1}}
    return _CONFIG.Counter(stat=_stat(name, tags), **amount)


def _stat(name: str, tags: Tags) -> Any:
    return _CONFIG.Stat(name=name, tags=[_CONFIG.Tag(name=tag, value_format=text) for tag, text in tags.items()])


def _log(counters: Any, histograms: Any = (), at: Any = None) -> Any:
    config = _CONFIG(stat_prefix=counted.PREFIX, counters=counters, histograms=histograms)
    made = accesslog_pb2.AccessLog(name="envoy.access_loggers.stats", typed_config=packed(config))
    if at is not None:
        made.filter.log_type_filter.types.append(at)
    return made
