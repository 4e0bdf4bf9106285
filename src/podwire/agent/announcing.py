"""The announcements of an agent that has ranges to announce, with their metrics."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from podwire.agent.agent_heartbeat import AgentHeartbeat
from podwire.agent.announcement_events import Note, ReportedMoves
from podwire.agent.config import AgentConfig
from podwire.announcement.announcer import Announcements, Feeds
from podwire.announcement.beacon import Beacon
from podwire.announcement.bgp_settings import BgpPeer
from podwire.announcement.sink import ProxySink
from podwire.announcement.uplinks import uplinks
from podwire.component.metrics import Family, gauge
from podwire.engine.reconcile import Reconciler
from podwire.kernel.link_events import LinkEvents
from podwire.kernel.sysctl_record import WriteSysctls
from podwire.kube.addresses import IPAddress, IPNetwork
from podwire.kube.client import Client
from podwire.kube.core import Node
from podwire.kube.services import Service
from podwire.pods.model import read_node

if TYPE_CHECKING:
    from podwire.announcement.bgp.speaker import BgpSpeaker


class Announcing:
    """The capability as the agent runs it."""

    def __init__(
        self,
        announcements: Announcements,
        beacon: Beacon,
        sink: ProxySink,
        links: LinkEvents,
        heartbeat: AgentHeartbeat | None = None,
        speaker: BgpSpeaker | None = None,
    ) -> None:
        self._announcements = announcements
        self._beacon = beacon
        self._sink = sink
        self._links = links
        self._heartbeat = heartbeat
        self._speaker = speaker

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return self._announcements.reconcilers

    async def run(self) -> None:
        """Work until cancelled; what is announced then stays announced."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._links.fileno(), lambda: self._announcements.link_changed(self._links.read()))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beacon.run())
                tasks.create_task(self._announcements.run())
                tasks.create_task(self._repeat())
                if self._heartbeat is not None:
                    tasks.create_task(self._heartbeat.run(self._announcements))
                if self._speaker is not None:
                    tasks.create_task(self._speaker.run())
        finally:
            loop.remove_reader(self._links.fileno())

    async def settle(self) -> None:
        """Wait until all changes received before this call are applied."""
        await self._announcements.settle()

    def rows(self) -> Iterator[str]:
        """Return the addresses that this node should announce, as text."""
        return self._announcements.rows()

    def families(self) -> Iterator[Family]:
        """The metrics of announcements."""
        yield from of_announcements(len(self._announcements.proxies()), self._sink.gained, self._sink.lost)
        if self._speaker is not None:
            yield from of_bgp(len(self._announcements.routes()), self._speaker.up)

    async def _repeat(self) -> None:
        """Send frames again after each change of Nodes or links: who lost its place unseen has lost its clients too."""
        while True:
            await self._announcements.electorate_changed.wait()
            self._announcements.electorate_changed.clear()
            await self.settle()
            self._beacon.announce(self._announcements.proxies())


def announcing(
    config: AgentConfig,
    client: Client,
    feeds: Feeds,
    settled: Callable[[], Awaitable[None]],
    note: Note,
    write_sysctls: WriteSysctls,
) -> tuple[Announcing, ...]:
    """Return the announcements of the node whose namespace this thread is in; none without ranges.

    `settled` waits until what is known of Services is in the kernel, `note` records events.
    """
    if not config.announce_ranges and not _announces_pod_ranges(config):
        return ()
    ranges = tuple(map(ipaddress.ip_network, config.announce_ranges))
    beacon = Beacon()

    def services(address: IPAddress) -> Iterable[Service]:
        return announcements.services(address)

    sink = ProxySink(ReportedMoves(config.node, beacon, services, note), write_sysctls)
    speaker = _speaker(config)
    routes = None if speaker is None else speaker.sink
    announcements = Announcements(config.node, ranges, feeds, sink, uplinks, settled, routes)
    heartbeat = AgentHeartbeat(client, config.node, feeds.nodes)
    return (Announcing(announcements, beacon, sink, LinkEvents(), heartbeat, speaker),)


def _announces_pod_ranges(config: AgentConfig) -> bool:
    return config.bgp is not None and config.bgp.announce_pod_ranges


def _speaker(config: AgentConfig) -> BgpSpeaker | None:
    if config.bgp is None:
        return None
    from podwire.announcement.bgp.speaker import BgpSpeaker  # most nodes have no peers

    def pod_ranges(node: Node) -> tuple[IPNetwork, ...]:
        return read_node(node, config.cluster)[0].all_ranges

    folder = config.folder / "bgp"
    if not config.bgp.announce_pod_ranges:
        return BgpSpeaker(config.node, config.bgp, folder)
    return BgpSpeaker(config.node, config.bgp, folder, pod_ranges=pod_ranges)


def of_announcements(addresses: int, gained: int, lost: int) -> Iterator[Family]:
    """How many addresses this node answers for, and how often one came to it and left it."""
    yield gauge("podwire_announced_addresses", "Load balancer addresses that this node answers for.", addresses)
    yield Family(
        "podwire_announcement_owner_changes_total",
        "Addresses that this node became the announcing node of, or ceased to be.",
        "counter",
        (({"change": "gained"}, gained), ({"change": "lost"}, lost)),
    )


def of_bgp(routes: int, sessions: Mapping[BgpPeer, bool]) -> Iterator[Family]:
    """How many routes are announced, and to which peers."""
    yield gauge("podwire_bgp_routes", "Load balancer addresses that this node announces by BGP.", routes)
    yield Family(
        "podwire_bgp_session_up",
        "1 while the session with a peer is established.",
        "gauge",
        tuple(({"peer": peer.address, "remote_as": str(peer.remote_as)}, float(up)) for peer, up in sessions.items()),
    )
