"""The bootstrap configuration of an Envoy: where its control plane is, and nothing of users.

Sources: envoy/config/bootstrap/v3/bootstrap.proto; Envoy's "Configuring Envoy as an edge proxy".
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

_TYPES = "type.googleapis.com/envoy"
_ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}
_CONTROL_PLANE = "xds"


class ClientFiles(msgspec.Struct, frozen=True):
    """Where an Envoy finds its client certificate: the folder of a mounted Secret, and the server's DNS name."""

    folder: str
    server_name: str
    certificate: str = "tls.crt"
    key: str = "tls.key"
    authority: str = "ca.crt"


class Bootstrap(msgspec.Struct, frozen=True):
    """One Envoy.

    Attributes:
        node: its node.id, unique in the proxy: the pod's name.
        proxy: its node.cluster.
        address: host name or IP address of the xDS server, or a path of a unix socket.
        port: of the xDS server; 0 for a unix socket.
        admin_socket: path of the unix socket of the admin interface; never a TCP port, which pods could reach.
        client: certificates; None for a connection in plain text.

    """

    node: str
    proxy: str
    address: str
    port: int
    admin_socket: str
    client: ClientFiles | None = None


def configuration(bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the bootstrap configuration as JSON values; others may add to it before it is written."""
    return {
        "node": {"id": bootstrap.node, "cluster": bootstrap.proxy},
        "admin": {"address": {"pipe": {"path": bootstrap.admin_socket, "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": _CONTROL_PLANE, "retry_policy": _RETRY}}],
            },
            "cds_config": {**_ADS, "initial_fetch_timeout": "0s"},
            "lds_config": {**_ADS, "initial_fetch_timeout": "0s"},
        },
        "static_resources": {"clusters": [_control_plane(bootstrap)]},
    }


def text(bootstrap: Bootstrap) -> str:
    """Return the bootstrap configuration as JSON text."""
    return json.dumps(configuration(bootstrap), indent=1)


_RETRY = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "2s"}}


def _control_plane(bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the cluster of the xDS server. A server that has vanished is noticed within 8 seconds."""
    is_path = bootstrap.port == 0
    address: dict[str, Any] = (
        {"pipe": {"path": bootstrap.address}}
        if is_path
        else {"socket_address": {"address": bootstrap.address, "port_value": bootstrap.port}}
    )
    cluster: dict[str, Any] = {
        "name": _CONTROL_PLANE,
        "type": "STATIC" if is_path else "STRICT_DNS",
        "connect_timeout": "2s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "5s", "timeout": "3s"}}
                },
            }
        },
        "load_assignment": {
            "cluster_name": _CONTROL_PLANE,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    if bootstrap.client is not None:
        cluster["transport_socket"] = _tls(bootstrap.client)
    return cluster


def _tls(client: ClientFiles) -> dict[str, Any]:
    """Return TLS with certificates that are read again when the Secret's volume changes."""
    watched = {"path": client.folder}
    pair = {
        "certificate_chain": {"filename": f"{client.folder}/{client.certificate}"},
        "private_key": {"filename": f"{client.folder}/{client.key}"},
        "watched_directory": watched,
    }
    validation = {
        "trusted_ca": {"filename": f"{client.folder}/{client.authority}"},
        "watched_directory": watched,
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": client.server_name}}],
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": client.server_name,
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
                "alpn_protocols": ["h2"],
                "tls_certificates": [pair],
                "validation_context": validation,
            },
        },
    }
