"""Envoys with configurations written by hand, beside those of Ingresses: what Envoy itself costs.

Source: Envoy's documentation, "Configuring Envoy as an edge proxy", and what ingress-nginx sends to backends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

_TYPE = "type.googleapis.com/envoy.extensions"


class Hosts(msgspec.Struct, frozen=True):
    """Names of the hosts of each case; `most` are requests a second of the limit."""

    plain: str
    secure: str
    rewrite: str
    limits: str
    most: int


def edge(http: int, https: int, backend: int, hosts: Hosts, pair: Path) -> dict[str, Any]:
    """Return an Envoy that does what the Ingresses ask for; `pair` is a file with a certificate and its key."""
    file = {"filename": str(pair)}
    common = {"tls_certificates": [{"certificate_chain": file, "private_key": file}]}
    context = _typed("transport_sockets.tls.v3.DownstreamTlsContext")
    context["common_tls_context"] = {**common, "alpn_protocols": ["h2", "http/1.1"]}
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    listeners = [_listener(http, 80, hosts, {}), _listener(https, 443, hosts, {"transport_socket": socket})]
    most = {"max_connections": 1_000_000, "max_pending_requests": 1_000_000, "max_requests": 1_000_000}
    endpoint = {"endpoint": {"address": _address(backend)}}
    cluster = {
        "name": "web",
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [most]},
        "load_assignment": {"cluster_name": "web", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {"static_resources": {"listeners": listeners, "clusters": [cluster]}}


def _listener(port: int, public: int, hosts: Hosts, encryption: dict[str, Any]) -> dict[str, Any]:
    log = {"name": "envoy.access_loggers.stdout", "typed_config": _typed("access_loggers.stream.v3.StdoutAccessLog")}
    limits = _typed("filters.http.local_ratelimit.v3.LocalRateLimit") | {"stat_prefix": "limits"}
    router = _typed("filters.http.router.v3.Router")
    manager = _typed("filters.network.http_connection_manager.v3.HttpConnectionManager") | {
        "stat_prefix": "edge",
        "use_remote_address": True,
        "skip_xff_append": True,
        "normalize_path": True,
        "merge_slashes": True,
        "strip_trailing_host_dot": True,
        "request_headers_timeout": "10s",
        "common_http_protocol_options": {"idle_timeout": "75s", "headers_with_underscores_action": "DROP_HEADER"},
        "access_log": [log],
        "http_filters": [
            {"name": "envoy.filters.http.local_ratelimit", "typed_config": limits, "disabled": True},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
        "route_config": {"request_headers_to_add": list(_headers(public)), "virtual_hosts": _virtual_hosts(hosts)},
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    chain = {"filters": filters, **encryption}
    return {
        "name": f"edge-{public}",
        "address": _address(port),
        "per_connection_buffer_limit_bytes": 32768,
        "filter_chains": [chain],
    }


def _headers(port: int) -> list[dict[str, Any]]:
    client = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
    values = {
        "X-Real-IP": client,
        "X-Forwarded-For": client,
        "X-Forwarded-Host": "%REQ(:AUTHORITY)%",
        "X-Forwarded-Port": str(port),
        "X-Forwarded-Scheme": "%REQ(:SCHEME)%",
        "X-Scheme": "%REQ(:SCHEME)%",
    }
    action = "OVERWRITE_IF_EXISTS_OR_ADD"
    return [{"header": {"key": key, "value": value}, "append_action": action} for key, value in values.items()]


def _virtual_hosts(hosts: Hosts) -> list[dict[str, Any]]:
    forward = {"cluster": "web", "timeout": "0s", "idle_timeout": "60s"}
    everything = {"match": {"prefix": "/"}, "route": forward}
    pattern = "(?i)^/api(/|$)(.*)"
    rewrite = {"pattern": {"regex": pattern}, "substitution": r"/\2"}
    rewritten = {
        "match": {"safe_regex": {"regex": f"{pattern}.*"}},
        "route": {**forward, "regex_rewrite": rewrite},
    }
    limited = {
        **everything,
        "typed_per_filter_config": {"envoy.filters.http.local_ratelimit": _limit(hosts.most)},
    }
    routes = {hosts.plain: everything, hosts.secure: everything, hosts.rewrite: rewritten, hosts.limits: limited}
    return [{"name": name, "domains": [name], "routes": [route]} for name, route in routes.items()]


def _limit(most: int) -> dict[str, Any]:
    """A limit for each client."""
    bucket = {"max_tokens": 5 * most, "tokens_per_fill": most, "fill_interval": "1s"}
    on = {"default_value": {"numerator": 100}}
    return _typed("filters.http.local_ratelimit.v3.LocalRateLimit") | {
        "stat_prefix": "limits",
        "token_bucket": bucket,
        "filter_enabled": on,
        "filter_enforced": on,
        "rate_limits": [{"actions": [{"remote_address": {}}]}],
        "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
        "always_consume_default_token_bucket": False,
    }


def _typed(name: str) -> dict[str, Any]:
    return {"@type": f"{_TYPE}.{name}"}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
