"""Which BGP sessions are up, read from bird every few seconds, for metrics and for the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from podwire.announcement.bgp import control
from podwire.announcement.bgp.configuration import protocol_name
from podwire.announcement.bgp_settings import BgpPeer

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0


class Sessions:
    """`protocols` returns the reply to `show protocols`; it raises OSError while bird does not run."""

    def __init__(self, peers: tuple[BgpPeer, ...], protocols: Callable[[], Awaitable[list[str]]]) -> None:
        self._up = dict.fromkeys(peers, False)
        self._protocols = protocols

    @property
    def up(self) -> Mapping[BgpPeer, bool]:
        """Whether the session with each peer was established a few seconds ago."""
        return self._up

    async def run(self) -> None:
        """Follow the sessions until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Read the states once, and log those that changed."""
        try:
            names = set(control.established(await self._protocols()))
        except (OSError, TimeoutError):
            names = set()
        for peer, before in self._up.items():
            now = self._up[peer] = protocol_name(peer) in names
            if now != before:
                level = logging.INFO if now else logging.WARNING
                log.log(
                    level, "BGP session with %s (AS %d) is %s", peer.address, peer.remote_as, "up" if now else "down"
                )
