"""Gratuitous ARP and unsolicited neighbour advertisements: hosts learn at once which node has an address now."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Collection

from podwire.announcement.frames import announcements
from podwire.announcement.rows import ProxyRow

log = logging.getLogger(__name__)

REPEAT_SECONDS = (0.0, 0.2, 1.0, 3.0)
"""When frames are sent after an address has come here: one that is lost must not cost a client its connection."""

_ETHERNET = 1
"""ARPHRD_ETHER of linux/if_arp.h."""


class Beacon:
    """Sends frames for addresses that have come to this node. Make it in the node's network namespace."""

    def __init__(self) -> None:
        # A socket stays in the namespace where it was made. It is sent through only: protocol 0 receives nothing.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        self._due: list[tuple[float, ProxyRow]] = []
        self._wake = asyncio.Event()

    def announce(self, rows: Collection[ProxyRow]) -> None:
        """Send frames for these rows now and a few times more, in place of what is left of earlier ones."""
        now = asyncio.get_running_loop().time()
        self.withdraw(rows)
        self._due += [(now + after, row) for after in REPEAT_SECONDS for row in rows]
        self._wake.set()

    def withdraw(self, rows: Collection[ProxyRow]) -> None:
        """Send nothing more for the addresses of these rows."""
        gone = {row.address for row in rows}
        self._due = [(time, row) for time, row in self._due if row.address not in gone]

    async def run(self) -> None:
        """Send what is due until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            now = loop.time()
            due = [row for time, row in self._due if time <= now]
            self._due = [(time, row) for time, row in self._due if time > now]
            for row in due:
                self._send(row)
            try:
                async with asyncio.timeout_at(min((time for time, _ in self._due), default=None)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _send(self, row: ProxyRow) -> None:
        try:
            self._socket.bind((row.link, 0))
            *_, hardware, mac = self._socket.getsockname()
            for frame in announcements(row.address, mac) if hardware == _ETHERNET else ():
                self._socket.send(frame)
        except OSError as error:
            log.warning("%s: its frames cannot be sent: %s", row, error)
