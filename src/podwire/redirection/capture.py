"""Numbers that the rules of redirection and the node's Envoy share: listeners, the mark, source ports. Pure."""

from __future__ import annotations

OUTBOUND_PORT = 15001
"""Envoy's listener for connections of enrolled pods of this node to peers on other nodes."""
ROUTED_PORT = 15010
"""Envoy's listener for connections of pods of this node to Services with routes, before an endpoint is chosen."""
INBOUND_PORT = 15006
"""Envoy's listener for connections in plain text to enrolled pods of this node."""
INBOUND_TLS_PORT = 15008
"""Envoy's listener for connections to enrolled pods of this node that another node's Envoy has encrypted."""
LISTENERS = (OUTBOUND_PORT, ROUTED_PORT, INBOUND_PORT, INBOUND_TLS_PORT)
"""All of them, which no packet reaches that is not led there."""

LAST_PORT = 65535
MESH_PORTS = (61000, LAST_PORT)
"""Source ports of Envoy's connections to other nodes, and to pods of this node whose client sends plain text.

They are above the ephemeral ports of Linux (ip_local_port_range, 32768-60999): what comes from another node with such
a port is TLS.
"""
DECRYPTED_PORTS = (32768, 60999)
"""Source ports of Envoy's connections to pods of this node whose client's connection was TLS.

Both connections have the client's address and the same destination: connection tracking distinguishes
them by their ports.
"""

MARK = 0x10000
"""The bit of the packet mark by which packets for Envoy's sockets with pods' addresses are delivered on their node."""
ROUTE_TABLE = 0x706D
"""The number of the route table of marked packets."""
RULE_PREFERENCE = 11200
"""Of the rule that leads to it: before the main table (32766), after local addresses (0). Source: ip-rule(8)."""
PROTOCOL = 117
"""Marks its route and rule as podwire's (rtnetlink(7), rtm_protocol)."""
