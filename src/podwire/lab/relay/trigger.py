"""Start a world's relay when a Service needs it: else it takes no memory."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

from podwire.kube.services import EXPOSED_TYPES, Service
from podwire.kube.watch import Change
from podwire.lab.base import paths
from podwire.lab.supervisor import power

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class RelayTrigger:
    """A listener of Services, to be used in an event loop: requests `role` of pid 1 when one becomes of use to it."""

    def __init__(self, role: str, switch: Path = paths.POWER_SOCKET) -> None:
        self._role = role
        self._switch = switch
        self._due: asyncio.Handle | None = None

    def __call__(self, change: Change[Service]) -> None:
        """Take a change of a Service. Never blocks and never raises. Changes that come together are one request."""
        if _exposed(change.new) and not _exposed(change.old) and self._due is None:
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


def _exposed(service: Service | None) -> bool:
    return service is not None and service.spec.type in EXPOSED_TYPES
