"""Request a role on demand of pid 1: without a request it takes no memory."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

from podwire.lab.base import paths
from podwire.lab.supervisor import power

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Demand:
    """Requests one role, to be used in an event loop."""

    def __init__(self, role: str, switch: Path = paths.POWER_SOCKET) -> None:
        self._role = role
        self._switch = switch
        self._due: asyncio.Handle | None = None

    def require(self) -> None:
        """Start the role. Never blocks and never raises. Calls that come together are one request."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._request)

    def _request(self) -> None:
        self._due = None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
            try:
                connection.connect(str(self._switch))
                connection.sendall(power.role_request(self._role))
            except OSError as error:
                log.warning("%s is not requested: %s; again in %g s", self._role, error, RETRY_SECONDS)
                self._due = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._request)
