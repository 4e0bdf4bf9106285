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
_CERTIFICATE, _CERTIFICATE_FILE = "xds-certificate", "xds-certificate.json"
_AUTHORITY, _AUTHORITY_FILE = "xds-authority", "xds-authority.json"


class ClientFiles(msgspec.Struct, frozen=True):
    """How an Envoy proves who it is.

    Attributes:
        folder: of the mounted Secret with its certificate.
        server_name: the DNS name in the server's certificate.
        sds_folder: of the files of sds_files(), beside the bootstrap configuration.
        certificate: file name in `folder`, as `key` and `authority`.

    """

    folder: str
    server_name: str
    sds_folder: str
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


def sds_files(client: ClientFiles) -> dict[str, str]:
    """Return the files that must be in `sds_folder`, by name.

    Envoy reads certificates of a watched folder again, but only those that come by SDS.
    """
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
        _CERTIFICATE_FILE: _sds_file(_CERTIFICATE, {"tls_certificate": pair}),
        _AUTHORITY_FILE: _sds_file(_AUTHORITY, {"validation_context": validation}),
    }


def _sds_file(name: str, secret: dict[str, Any]) -> str:
    resource = {"@type": f"{_TYPES}.extensions.transport_sockets.tls.v3.Secret", "name": name, **secret}
    return json.dumps({"resources": [resource]}, indent=1)


def _tls(client: ClientFiles) -> dict[str, Any]:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": client.server_name,
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
                "alpn_protocols": ["h2"],
                "tls_certificate_sds_secret_configs": [_sds(client, _CERTIFICATE, _CERTIFICATE_FILE)],
                "validation_context_sds_secret_config": _sds(client, _AUTHORITY, _AUTHORITY_FILE),
            },
        },
    }


def _sds(client: ClientFiles, name: str, file: str) -> dict[str, Any]:
    path = {"path": f"{client.sds_folder}/{file}"}
    return {"name": name, "sds_config": {"path_config_source": path, "resource_api_version": "V3"}}
