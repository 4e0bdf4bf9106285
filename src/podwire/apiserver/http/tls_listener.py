"""A socket that listens for TLS connections: accepts them, and hands each over when its handshake is done."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import ssl
from typing import TYPE_CHECKING

from podwire.apiserver.http.tls_transport import TlsTransport

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

log = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections that wait to be accepted: all clients reconnect at once after a restart of the server."""

MOST_ACCEPTED = 64
"""Connections that are accepted without a break."""

HANDSHAKE_SECONDS = 32.0
"""How long a handshake may take: as long as upstream waits for the headers after it."""

REST_SECONDS = 1.0
"""How long nothing is accepted when descriptors or memory are used up."""

_USED_UP = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class TlsListener:
    """Accepts on a bound socket from `start` on; `protocol` makes the protocol of a new connection."""

    def __init__(
        self, listener: socket.socket, context: ssl.SSLContext, protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._socket = listener
        self._context = context
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[_Handshake] = set()

    def start(self) -> None:
        """Begin to listen; raises OSError where the socket cannot."""
        self._socket.setblocking(False)
        self._socket.listen(BACKLOG)
        self._resume()

    def close(self) -> None:
        """Accept nothing more, and end handshakes. Established connections go on."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket.fileno())
        for handshake in tuple(self._handshakes):
            handshake.give_up()
        self._socket.close()

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(MOST_ACCEPTED):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("no connection can be accepted: %s", error)  # noqa: TRY400  (no fault of this code)
                if error.errno in _USED_UP:
                    self._loop.remove_reader(self._socket.fileno())
                    self._loop.call_later(REST_SECONDS, self._resume)
                return
            self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            tls = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError):  # it is gone already
            connection.close()
            return
        handshake = _Handshake(tls, self._done)
        self._handshakes.add(handshake)
        handshake.go_on()

    def _done(self, handshake: _Handshake, connection: ssl.SSLSocket | None) -> None:
        self._handshakes.discard(handshake)
        if connection is not None:
            TlsTransport(connection, self._protocol())


class _Handshake:
    """One handshake. Calls `done` once: with the connection, or with None where it came to nothing."""

    def __init__(self, connection: ssl.SSLSocket, done: Callable[[_Handshake, ssl.SSLSocket | None], None]) -> None:
        self._socket = connection
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._patience = self._loop.call_later(HANDSHAKE_SECONDS, self.give_up)

    def go_on(self) -> None:
        """Take the next step."""
        self._stop_waiting()
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._loop.add_reader(self._socket.fileno(), self.go_on)
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._socket.fileno(), self.go_on)
        except OSError:
            self.give_up()
        else:
            self._patience.cancel()
            self._done(self, self._socket)

    def give_up(self) -> None:
        """End it."""
        self._stop_waiting()
        self._patience.cancel()
        with contextlib.suppress(OSError):
            self._socket.close()
        self._done(self, None)

    def _stop_waiting(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
