"""The BGP speaker of a node, put together: the rows' sink, the process, and the state of its sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from podwire.announcement.bgp import control
from podwire.announcement.bgp.bird import Bird
from podwire.announcement.bgp.sessions import Sessions
from podwire.announcement.bgp.sink import PodRanges, RouteSink, no_pod_ranges
from podwire.announcement.bgp_settings import BgpPeer, BgpSettings


class BgpSpeaker:
    """Announces what is written to `sink` to all peers. Its files are in `folder`; for `launcher` see Bird."""

    def __init__(
        self,
        node: str,
        settings: BgpSettings,
        folder: Path,
        launcher: Sequence[str] = (),
        pod_ranges: PodRanges = no_pod_ranges,
    ) -> None:
        self._bird = Bird(folder, launcher)
        self._sessions = Sessions(settings.peers, lambda: control.request(self._bird.socket, "show protocols"))
        self.sink = RouteSink(node, settings, self._bird.configure, pod_ranges)

    @property
    def up(self) -> Mapping[BgpPeer, bool]:
        """Whether the session with each peer is established."""
        return self._sessions.up

    async def run(self) -> None:
        """Announce until cancelled. Peers keep the routes for a time then, or until the next speaker of this node."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bird.run())
            tasks.create_task(self._sessions.run())
