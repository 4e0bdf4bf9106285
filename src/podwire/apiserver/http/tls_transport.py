"""TLS connections of the server: OpenSSL reads and writes the socket itself.

asyncio's own TLS passes all through buffers in memory, which takes twice the processor time for a small request, and
four times the memory of a connection that waits. Servers only; TLS 1.2 and later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

RECORD = 16 * 1024
"""Bytes that one read gives at most, and one write takes: a TLS record's (RFC 8446, 5.1)."""

MOST_READS = 16
"""Records that are read without a break, so that other connections get their turn."""

HIGH_WATER, LOW_WATER = 64 * 1024, 16 * 1024
"""Bytes that wait to be sent: above, the protocol is paused; below, resumed. asyncio's numbers."""

CLOSE_SECONDS = 30.0
"""How long a client may take to read the end of an answer."""

_BUSY = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TlsTransport(asyncio.Transport):
    """A connection after its handshake, under asyncio's contract for transports."""

    def __init__(self, connection: ssl.SSLSocket, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._descriptor = connection.fileno()
        self._facts = _facts(connection)
        self._protocol = protocol
        self._waiting = bytearray()
        self._paused = self._reading = self._closing = self._ended = False
        self._patience: asyncio.TimerHandle | None = None
        protocol.connection_made(self)
        self.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """A fact of the connection, under asyncio's name for it."""
        return self._facts.get(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that receives data."""
        return self._protocol

    def is_closing(self) -> bool:
        """Whether nothing more is taken to be sent."""
        return self._closing

    def is_reading(self) -> bool:
        """Whether the protocol receives data."""
        return self._reading

    def pause_reading(self) -> None:
        """Leave what comes in the kernel."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._descriptor)

    def resume_reading(self) -> None:
        """Go on with reading."""
        if not self._reading and not self._closing:
            self._reading = True
            self._loop.add_reader(self._descriptor, self._read)

    def get_write_buffer_size(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._waiting)

    def can_write_eof(self) -> bool:
        """TLS connections do not end by halves."""
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send what the kernel takes now, and the rest as it takes more."""
        if self._closing or not data:
            return
        if not self._waiting:
            sent = self._send(data)
            if sent == len(data) or self._closing:
                return
            data = memoryview(data)[sent:]
            self._loop.add_writer(self._descriptor, self._send_waiting)
        self._waiting += data
        if len(self._waiting) > HIGH_WATER and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """Send what waits, then end."""
        if self._closing:
            return
        self.pause_reading()
        self._closing = True
        if self._waiting:
            self._patience = self._loop.call_later(CLOSE_SECONDS, self.abort)
        else:
            self._loop.call_soon(self._end, None)

    def abort(self) -> None:
        """End at once; what waits is lost."""
        self._fail(None)

    def _read(self) -> None:
        for _ in range(MOST_READS):
            try:
                data = self._socket.recv(RECORD)
            except _BUSY:
                return
            except OSError as error:
                self._fail(error)
                return
            self._receive(data)
            if len(data) < RECORD or not self._reading:
                return

    def _receive(self, data: bytes) -> None:
        try:
            if data:
                self._protocol.data_received(data)
            else:
                self._protocol.eof_received()
                self.close()
        except Exception as error:
            log.exception("a connection of %s failed", self._facts.get("peername"))
            self._fail(error)

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        """How many bytes the kernel took."""
        sent = 0
        try:
            while sent < len(data):
                sent += self._socket.send(memoryview(data)[sent : sent + RECORD])
        except _BUSY:
            pass
        except OSError as error:
            self._fail(error)
        return sent

    def _send_waiting(self) -> None:
        sent = self._send(self._waiting)
        del self._waiting[:sent]
        if self._paused and len(self._waiting) <= LOW_WATER:
            self._paused = False
            self._protocol.resume_writing()
        if not self._waiting:
            self._loop.remove_writer(self._descriptor)
            if self._closing:
                self._end(None)

    def _fail(self, error: OSError | Exception | None) -> None:
        if self._ended:
            return
        self.pause_reading()
        self._closing = True
        self._loop.remove_writer(self._descriptor)
        self._loop.call_soon(self._end, error, True)

    def _end(self, error: Exception | None, abrupt: bool = False) -> None:
        """Send close_notify where that is still possible, and end the protocol."""
        if self._ended:
            return
        self._ended = True
        if self._patience is not None:
            self._patience.cancel()
        try:
            self._protocol.connection_lost(error)
        finally:
            if not abrupt:
                with contextlib.suppress(OSError):
                    self._socket.unwrap()
            self._socket.close()


def _facts(connection: ssl.SSLSocket) -> Mapping[str, Any]:
    """Extra information of a TLS connection, as asyncio has it. The certificate is read once."""
    facts = {
        "socket": connection,
        "ssl_object": connection,
        "sslcontext": connection.context,
        "peercert": _certificate(connection),
        "sockname": connection.getsockname(),
    }
    with contextlib.suppress(OSError):  # it may be gone already
        facts["peername"] = connection.getpeername()
    return facts


def _certificate(connection: ssl.SSLSocket) -> Mapping[str, Any] | None:
    """The client's certificate. None where a resumed session outlived it: OpenSSL compares dates in full handshakes."""
    found: dict[str, Any] | None = connection.getpeercert()
    if found and connection.session_reused and ssl.cert_time_to_seconds(found["notAfter"]) < _now():
        return None
    return found


_now = time.time
