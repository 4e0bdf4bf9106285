"""How much memory a TLS connection takes: asyncio gives each one 256 KB to read into, however little it reads.

A process here has a connection for each kind that it watches. TLS sends records of
16 KB at most (RFC 8446, 5.1), so two of them are room enough. Source: CPython `Lib/asyncio/sslproto.py`.
"""

from __future__ import annotations

from asyncio.sslproto import SSLProtocol

BYTES = 32 * 1024


def shrink() -> None:
    """Let the connections that this process makes from now on have smaller buffers."""
    SSLProtocol.max_size = BYTES
