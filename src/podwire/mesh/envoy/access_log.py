"""The log of connections: a line of JSON for each, with the identities of both sides, on standard output."""

from __future__ import annotations

from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.data.accesslog.v3 import accesslog_pb2 as accesslog_data_pb2
from envoy.extensions.access_loggers.stream.v3 import stream_pb2
from google.protobuf import struct_pb2

from podwire.edge.envoy.message import packed
from podwire.mesh.envoy.filter_state import SOURCE_IDENTITY

_COMMON = {
    "time": "%START_TIME%",
    "source": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "destination": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%CONNECTION_TERMINATION_DETAILS%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
    "milliseconds": "%DURATION%",
}
OUTBOUND = {
    **_COMMON,
    "direction": "outbound",
    "source_identity": "%UPSTREAM_LOCAL_URI_SAN%",
    "destination_identity": "%UPSTREAM_PEER_URI_SAN%",
    "tls_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
INBOUND = {
    **_COMMON,
    "direction": "inbound",
    "source_identity": f"%FILTER_STATE({SOURCE_IDENTITY}:PLAIN)%",
}
"""Fields and Envoy's commands for them."""
REFUSED = {name: text for name, text in INBOUND.items() if name != "details"} | {"verdict": "refused"}
"""Of connections that no identity, policy or mode admits: from the node's own pods too."""


def audited(fields: dict[str, str], rule: str) -> dict[str, str]:
    """Return the fields of a connection that a rule of an AUDIT policy matches; none: an empty name."""
    return {**fields, "audit": rule} if rule else fields


def access_log(fields: dict[str, str]) -> Any:
    """Return the log of connections with these fields."""
    made = stream_pb2.StdoutAccessLog()
    values = {name: struct_pb2.Value(string_value=value) for name, value in fields.items()}
    made.log_format.json_format.CopyFrom(struct_pb2.Struct(fields=values))
    log = accesslog_pb2.AccessLog(name="envoy.access_loggers.stdout", typed_config=packed(made))
    log.filter.log_type_filter.types.append(accesslog_data_pb2.AccessLogType.TcpUpstreamConnected)
    log.filter.log_type_filter.exclude = True  # a line at the end of a connection, which is counted at its begin too
    return log
