"""Access logs on standard output, a line a request or connection."""

from __future__ import annotations

from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.stream.v3 import stream_pb2
from envoy.type.matcher.v3 import metadata_pb2, string_pb2, value_pb2
from google.protobuf import struct_pb2

from podwire.edge.envoy import script
from podwire.edge.envoy.message import packed
from podwire.edge.model.listeners import GatewayPort, LogFormat

FIELDS = {
    "time": "%START_TIME%",
    "method": "%REQUEST_HEADER(:METHOD)%",
    "host": "%REQUEST_HEADER(:AUTHORITY)%",
    "path": "%REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "route": "%ROUTE_NAME%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "endpoint": "%UPSTREAM_HOST%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "server_name": "%REQUESTED_SERVER_NAME%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
    "milliseconds": "%DURATION%",
    "request_id": "%REQUEST_HEADER(X-REQUEST-ID)%",
    "user_agent": "%REQUEST_HEADER(USER-AGENT)%",
}
"""Names of fields and Envoy's commands for them."""


def access_log(form: LogFormat, port: GatewayPort, *, by_script: bool = False) -> list[Any]:
    """Return the access logs of a listener, whose Gateway and port are in each line of JSON.

    `by_script`: requests are left out for which the script of their route has written so.
    """
    if form is LogFormat.NONE:
        return []
    made = stream_pb2.StdoutAccessLog()
    if form is LogFormat.JSON:
        own = {"gateway": f"{port.namespace}/{port.gateway}", "port": str(port.port)}
        fields = {name: struct_pb2.Value(string_value=value) for name, value in (*FIELDS.items(), *own.items())}
        made.log_format.json_format.CopyFrom(struct_pb2.Struct(fields=fields))
    log = accesslog_pb2.AccessLog(name="envoy.access_loggers.stdout", typed_config=packed(made))
    if by_script:
        log.filter.CopyFrom(_unless_off())
    return [log]


def _unless_off() -> Any:
    path = [metadata_pb2.MetadataMatcher.PathSegment(key=script.LOG)]
    on = value_pb2.ValueMatcher(string_match=string_pb2.StringMatcher(exact=script.ON))  # `invert` has no effect here
    matcher = metadata_pb2.MetadataMatcher(filter=script.METADATA, path=path, value=on)
    found = accesslog_pb2.MetadataFilter(matcher=matcher, match_if_key_not_found={"value": True})
    return accesslog_pb2.AccessLogFilter(metadata_filter=found)
