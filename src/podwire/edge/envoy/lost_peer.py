"""How an Envoy notices that no peer acknowledges the packets of a connection: where a policy cuts it without a reset.

Else a request would wait for the idle time of its stream, on a connection that a pool takes for a good one.
Source: tcp(7), TCP_USER_TIMEOUT.
"""

from __future__ import annotations

import socket
from typing import Any

from envoy.config.core.v3 import address_pb2, socket_option_pb2

LOST_SECONDS = 5
"""A connection is closed after this time."""


def notice(cluster: Any) -> None:
    """Have the connections of a cluster for TCP be closed when their peer is lost."""
    cluster.upstream_bind_config.socket_options.append(_USER_TIMEOUT)
    cluster.upstream_connection_options.tcp_keepalive.CopyFrom(_KEEPALIVE)


_USER_TIMEOUT = socket_option_pb2.SocketOption(
    description="TCP_USER_TIMEOUT",
    level=socket.IPPROTO_TCP,
    name=socket.TCP_USER_TIMEOUT,
    int_value=LOST_SECONDS * 1000,
    type=socket_option_pb2.SocketOption.SocketType(stream={}),
)
_KEEPALIVE = address_pb2.TcpKeepalive(
    keepalive_time={"value": LOST_SECONDS},
    keepalive_interval={"value": 1},
    keepalive_probes={"value": LOST_SECONDS},
)
