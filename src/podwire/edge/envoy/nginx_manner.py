"""How a listener of Ingresses treats requests other than one of a Gateway: as ingress-nginx does.

Source: kubernetes/ingress-nginx v1.15.1 `nginx.tmpl`; nginx `ngx_http_parse.c` (a path is matched decoded, and sent on
as it came) and `underscores_in_headers`.
"""

from __future__ import annotations

from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import base_pb2, protocol_pb2
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as filter_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.http.original_ip_detection.xff.v3 import xff_pb2
from envoy.type.matcher.v3 import path_pb2, string_pb2
from google.protobuf import wrappers_pb2

from podwire.edge.envoy import client_ranges
from podwire.edge.envoy.message import extension, packed
from podwire.edge.model.listeners import ProxyOptions

ESCAPES_FILTER = "podwire.escaped_dots"
BAD_GATEWAY, GATEWAY_TIMEOUT = 502, 504
_BROKEN = ("UF", "UC", "UR", "UPE")
"""Envoy's flags of a response: the connection to a backend was refused, cut or no HTTP."""
_LATE_FILTER = "envoy.access_loggers.extension_filters.cel"
_LATE = 'response.code_details.contains("connection_timeout")'
"""No connection to a backend within its time, which Envoy flags as it does a refused one."""
_ESCAPED_SLASHES = ("%2f", "%5c")
_MANAGER = http_connection_manager_pb2.HttpConnectionManager
_SET = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD


def apply(manager: Any, settings: ProxyOptions) -> None:
    """Change the settings of a listener's connections.

    Escaped slashes stay as they are: package registries and others have them in names. A client's request ID is kept;
    a header with an underscore is left out, not the request.
    """
    options = manager.common_http_protocol_options
    underscores = protocol_pb2.HttpProtocolOptions
    options.headers_with_underscores_action = (
        underscores.ALLOW if settings.allows_underscores else underscores.DROP_HEADER
    )
    if settings.trusted_ranges:
        _trust(manager, settings.trusted_ranges)
    manager.preserve_external_request_id = True
    manager.skip_xff_append = True
    manager.path_with_escaped_slashes_action = _MANAGER.KEEP_UNCHANGED
    broken = accesslog_pb2.AccessLogFilter(response_flag_filter=accesslog_pb2.ResponseFlagFilter(flags=_BROKEN))
    late = accesslog_pb2.ExtensionFilter(
        name=_LATE_FILTER, typed_config=packed(cel_pb2.ExpressionFilter(expression=_LATE))
    )
    statuses = ((accesslog_pb2.AccessLogFilter(extension_filter=late), GATEWAY_TIMEOUT), (broken, BAD_GATEWAY))
    manager.local_reply_config.mappers.extend(
        http_connection_manager_pb2.ResponseMapper(filter=one, status_code=wrappers_pb2.UInt32Value(value=status))
        for one, status in statuses
    )


def _trust(manager: Any, ranges: tuple[str, ...]) -> None:
    """The client is the last address of X-Forwarded-For that is of no proxy in front."""
    found = xff_pb2.XffConfig()
    found.skip_xff_append.value = True
    found.xff_trusted_cidrs.cidrs.extend(client_ranges.cidr_range(one) for one in ranges)
    manager.use_remote_address.value = False
    manager.xff_num_trusted_hops = 0
    manager.original_ip_detection_extensions.append(extension("envoy.http.original_ip_detection.xff", found))


def escapes_filter() -> Any:
    """Return the filter that refuses (403) a path with an escaped slash and `..`.

    A backend that decodes it would be at another path than the one that was matched.
    """
    slash = rbac_pb2.Permission.Set(rules=[_path_has(one) for one in _ESCAPED_SLASHES])
    both = rbac_pb2.Permission.Set(rules=[_path_has(".."), rbac_pb2.Permission(or_rules=slash)])
    policy = rbac_pb2.Policy(
        permissions=[rbac_pb2.Permission(and_rules=both)], principals=[rbac_pb2.Principal(any=True)]
    )
    rules = rbac_pb2.RBAC(action=rbac_pb2.RBAC.DENY, policies={"escaped": policy})
    message = filter_pb2.RBAC(rules=rules)
    return http_connection_manager_pb2.HttpFilter(name=ESCAPES_FILTER, typed_config=packed(message))


def describe_client(table: Any, port: int) -> None:
    """Have a route table describe the client to backends. What it sent itself is replaced, or kept as Original."""
    values = {
        "X-Real-IP": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "X-Forwarded-For": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "X-Forwarded-Host": "%REQ(:AUTHORITY)%",
        "X-Forwarded-Port": str(port),
        "X-Forwarded-Scheme": "%REQ(:SCHEME)%",
        "X-Scheme": "%REQ(:SCHEME)%",
        "X-Original-Forwarded-For": "%REQ(X-FORWARDED-FOR)%",
        "X-Original-Forwarded-Host": "%REQ(X-FORWARDED-HOST)%",
    }
    for name, value in values.items():
        header = base_pb2.HeaderValue(key=name, value=value)
        table.request_headers_to_add.append(base_pb2.HeaderValueOption(header=header, append_action=_SET))
    table.request_headers_to_remove.extend(("Proxy", "X-Original-Forwarded-For", "X-Original-Forwarded-Host"))


def _path_has(text: str) -> Any:
    found = string_pb2.StringMatcher(contains=text, ignore_case=text != text.upper())  # else each path is copied
    return rbac_pb2.Permission(url_path=path_pb2.PathMatcher(path=found))
