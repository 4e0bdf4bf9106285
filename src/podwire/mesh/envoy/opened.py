"""Connections to the endpoints of routes that are open when the connection to the pod is, not before.

A request's connection to its endpoint begins inside Envoy, where any connection is open at once, and may pass the Envoy
of another node. A request that is written to it then cannot be tried again where the pod turns out to be gone: whether
it was seen is not known. So such a connection begins with a handshake of TLS between the first of these hops and the
last one, the listener here. The last one answers after its own connection, to the pod, was made: its TCP proxy reads
nothing before. A pod that cannot be reached is a connection that was never made, and every request may be tried at
another endpoint. Neither side is authenticated by this handshake: clients and servers are by that of `mutual_tls`,
which is around it between nodes.

Source: Envoy's "TCP proxy", upstream_connect_mode: IMMEDIATE.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from envoy.type.matcher.v3 import string_pb2
from google.protobuf import struct_pb2

from podwire.edge.envoy.message import transport_socket
from podwire.mesh.envoy import mutual_tls, pods
from podwire.pki import authorities
from podwire.pki.certificates import KeyPair

OPENED, OPENED_TLS = "mesh-opened", "mesh-opened-tls"
"""Names of a listener inside Envoy and of the cluster that connects to it: of clients in plain text and by TLS."""
SECRET_NAME = "mesh-opened"  # noqa: S105
"""The certificate of both, which is not verified."""
METADATA = "podwire.opened"
"""Of clusters: by what their connections inside Envoy go on."""
TO_PEERS, TO_POD = f"%DYNAMIC_METADATA({METADATA}:peers)%", f"%DYNAMIC_METADATA({METADATA}:pod)%"
"""Envoy's commands for the clusters to pods of other nodes and to pods of this one; empty for other connections."""
NOT_SENT = "x-podwire-not-sent"
"""Header of Envoy's own responses to requests for which it made no connection; it never leaves Envoys."""
_LIFETIME = timedelta(days=3650)
_TLS_1_3 = common_pb2.TlsParameters(
    tls_minimum_protocol_version=common_pb2.TlsParameters.TLSv1_3,
    tls_maximum_protocol_version=common_pb2.TlsParameters.TLSv1_3,
)


def certificate(now: datetime) -> KeyPair:
    """Return a new certificate and key for SECRET_NAME."""
    root = authorities.create_root("opened", now, _LIFETIME)
    key, request = authorities.request("podwire://opened")
    chain = authorities.sign(root, authorities.requested_key(request), "podwire://opened", (now, now + _LIFETIME))
    return KeyPair(chain, key)


def server() -> Any:
    """Return the transport socket of the listeners."""
    common = tls_pb2.CommonTlsContext(tls_params=_TLS_1_3)
    common.tls_certificate_sds_secret_configs.append(mutual_tls.secret(SECRET_NAME))
    return transport_socket(tls_pb2.DownstreamTlsContext(common_tls_context=common))


def client() -> Any:
    """Return the transport socket of connections to them."""
    return transport_socket(
        tls_pb2.UpstreamTlsContext(common_tls_context=tls_pb2.CommonTlsContext(tls_params=_TLS_1_3))
    )


def mark(cluster: Any) -> None:
    """Set the metadata of a cluster whose connections are opened so."""
    values = {"peers": pods.PEERS_OF_REQUESTS, "pod": OPENED}
    cluster.metadata.filter_metadata[METADATA].CopyFrom(
        struct_pb2.Struct(fields={key: struct_pb2.Value(string_value=value) for key, value in values.items()})
    )


def retry(policy: Any) -> None:
    """Have a retry policy try again what an Envoy has not sent to its pod."""
    policy.retry_on = f"{policy.retry_on},retriable-headers"
    match = string_pb2.StringMatcher(exact="true")
    policy.retriable_headers.append(route_components_pb2.HeaderMatcher(name=NOT_SENT, string_match=match))


def local_reply() -> Any:
    """Return the header for Envoy's own responses to requests for which it made no connection."""
    never = accesslog_pb2.AccessLogFilter(response_flag_filter=accesslog_pb2.ResponseFlagFilter(flags=["UF"]))
    header = base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=NOT_SENT, value="true"))
    mapper = http_connection_manager_pb2.ResponseMapper(filter=never, headers_to_add=[header])
    return http_connection_manager_pb2.LocalReplyConfig(mappers=[mapper])
