"""Numbers that the rules of redirection and the node's Envoy share: listeners, the mark, the source ports. Pure."""

from __future__ import annotations

OUTBOUND_PORT = 15001
"""Envoy's listener for connections that pods of this node open."""
INBOUND_PORT = 15006
"""Envoy's listener for connections to pods of this node in plain text."""
INBOUND_TLS_PORT = 15008
"""Envoy's listener for connections to pods of this node that another node's Envoy has encrypted."""
ROUTED_PORT = 15010
"""Envoy's listener for connections to Services with routes, before an endpoint is chosen."""

TLS_SOURCE_PORTS = (61000, 65535)
"""Source ports of connections between Envoys: above the ephemeral ports of Linux (ip_local_port_range, 32768-60999)."""

MARK = 0x10000
"""The bit of the packet mark by which packets to Envoy's sockets with addresses of pods are delivered on their node."""
