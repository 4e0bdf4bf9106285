"""Smaller read buffers for TLS connections: asyncio allocates 256 KB for each one.

A process has a connection for each kind that it watches. TLS records have at most 16 KB (RFC 8446, 5.1), so room for
two is enough. Source: CPython `Lib/asyncio/sslproto.py`.
"""

from __future__ import annotations

from asyncio.sslproto import SSLProtocol

BYTES = 32 * 1024


def shrink() -> None:
    """Use smaller buffers for all connections that this process makes after this call."""
    SSLProtocol.max_size = BYTES
