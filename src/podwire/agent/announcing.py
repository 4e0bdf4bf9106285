"""The announcements of an agent that has ranges to announce, with their metrics."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from typing import Any

from podwire.agent.config import AgentConfig
from podwire.announcement.announcer import Announcements, Feeds
from podwire.announcement.beacon import Beacon
from podwire.announcement.sink import ProxySink
from podwire.announcement.uplinks import uplinks
from podwire.component.metrics import Family, gauge
from podwire.engine.reconcile import Reconciler


class Announcing:
    """The capability as the agent runs it."""

    def __init__(self, announcements: Announcements, beacon: Beacon, sink: ProxySink) -> None:
        self._announcements = announcements
        self._beacon = beacon
        self._sink = sink

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return self._announcements.reconcilers

    async def run(self) -> None:
        """Work until cancelled; what is announced then stays announced."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beacon.run())
            tasks.create_task(self._announcements.run())
            tasks.create_task(self._repeat())

    async def settle(self) -> None:
        """Wait until all changes received before this call are applied."""
        await self._announcements.settle()

    async def _repeat(self) -> None:
        """Send frames again after each change of Nodes: a node that lost its place unseen has lost its clients too."""
        while True:
            await self._announcements.electorate_changed.wait()
            self._announcements.electorate_changed.clear()
            await self.settle()
            self._beacon.announce(tuple(self._announcements.proxies()))

    def rows(self) -> Iterator[str]:
        """Return the addresses that this node should announce, as text."""
        return self._announcements.rows()

    def families(self) -> Iterator[Family]:
        """The metrics of announcements."""
        return of_announcements(sum(1 for _ in self.rows()), self._sink.gained, self._sink.lost)


def announcing(config: AgentConfig, feeds: Feeds) -> tuple[Announcing, ...]:
    """Return the announcements of the node whose namespace this thread is in; none without ranges."""
    if not config.announce_ranges:
        return ()
    ranges = tuple(map(ipaddress.ip_network, config.announce_ranges))
    beacon = Beacon()
    sink = ProxySink(beacon)
    return (Announcing(Announcements(config.node, ranges, feeds, sink, uplinks), beacon, sink),)


def of_announcements(addresses: int, gained: int, lost: int) -> Iterator[Family]:
    """How many addresses this node announces, and how often one came to it and left it."""
    yield gauge("podwire_announced_addresses", "Load balancer addresses that this node answers for.", addresses)
    yield Family(
        "podwire_announcement_owner_changes_total",
        "Addresses that this node became the announcing node of, or ceased to be.",
        "counter",
        (({"change": "gained"}, gained), ({"change": "lost"}, lost)),
    )
