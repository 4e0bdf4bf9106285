"""TLS of a client that resumes its sessions: asyncio makes a full handshake for each connection.

A process has a connection for each kind that it watches. Resuming spares both ends the certificates and signatures,
more than half of a handshake's processor time (RFC 8446, 2.2).
"""

from __future__ import annotations

import ssl
import weakref


class ResumedContext(ssl.SSLContext):
    """Begins each connection to a server with the session of the one before. Make it with `ssl.PROTOCOL_TLS_CLIENT`."""

    def __init__(self, _: int) -> None:
        self._last: dict[str | bytes | None, weakref.ref[ssl.SSLObject]] = {}
        self._sessions: dict[str | bytes | None, ssl.SSLSession | None] = {}

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection, as asyncio does."""
        session = session or self._session(server_hostname)
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        self._last[server_hostname] = weakref.ref(made)
        return made

    def _session(self, server: str | bytes | None) -> ssl.SSLSession | None:
        """The newest session: a server sends it after the handshake, with its first response (RFC 8446, 4.6.1)."""
        found = self._last.get(server)
        last = found() if found is not None else None
        newest = _copied(last) if last is not None else None
        if newest is not None and newest.has_ticket:
            self._sessions[server] = newest
        return self._sessions.get(server)


def _copied(connection: ssl.SSLObject) -> ssl.SSLSession | None:
    """Return the session of a connection; None before its handshake has ended, when OpenSSL cannot copy it."""
    try:
        return connection.session
    except ValueError:
        return None
