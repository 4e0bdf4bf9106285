"""Records of connections on this node: read from the kernel's log, kept in the state folder, counted, reported."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from podwire.agent.opening import opened
from podwire.agent.service_addresses import ServiceAddresses
from podwire.component.metrics import Family, counter
from podwire.kernel.packet_log import PacketLog
from podwire.kube.core import Namespace, Pod
from podwire.kube.feed import Feed
from podwire.kube.kinds import PODS
from podwire.kube.recorder import Recorder
from podwire.kube.services import Service
from podwire.policy.choices import Scope
from podwire.policy.flows.allowed import AllowedFlows
from podwire.policy.flows.describing import Scene
from podwire.policy.flows.journal import Journal
from podwire.policy.flows.recorder import FlowRecorder
from podwire.policy.identities import IdentityAllocator
from podwire.policy.view import View

log = logging.getLogger(__name__)

GROUP = 9731
"""The group of NFLOG in policy.nft and allowed.nft."""
DATAGRAMS_A_TURN = 8
"""Of some packets each: other tasks get their turn in between."""
JOURNAL_SECONDS = 60.0
"""Before a journal that could not be opened is tried again."""
REASON = "PolicyDropped"


class FlowRecords:
    """The records of one node."""

    def __init__(
        self, scene: Scene, folder: Path, allowed: AllowedFlows, services: ServiceAddresses, recorder: Recorder
    ) -> None:
        self._folder = folder
        self._allowed = allowed
        self._services = services
        self._events = recorder
        self._scene = scene
        self._recorder: FlowRecorder | None = None

    @classmethod
    def of(
        cls,
        node: str,
        folder: Path,
        view: View,
        numbers: IdentityAllocator,
        scope: Scope,
        feeds: tuple[Feed[Pod], Feed[Service]],
        recorder: Recorder,
    ) -> FlowRecords:
        """The records of a node, from what its agent follows."""
        pods, services = feeds
        addresses = ServiceAddresses(services)
        scene = Scene(node, view, pods.objects, addresses)
        return cls(scene, folder, AllowedFlows(scope, numbers), addresses, recorder)

    def subscribe(self, namespaces: Feed[Namespace], services: Feed[Service]) -> None:
        """Follow the objects that records depend on."""
        namespaces.subscribe(self._allowed.namespace_changed)
        services.subscribe(self._services.changed)

    async def run(self) -> None:
        """Record until cancelled. A kernel without NFLOG is reported once; policies are enforced all the same."""
        journal = await _journal(self._folder)
        self._recorder = FlowRecorder(self._scene, journal, self._report)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._allowed.run())
                tasks.create_task(self._read(self._recorder))
        finally:
            journal.close()

    async def _read(self, recorder: FlowRecorder) -> None:
        packet_log = await opened(lambda: PacketLog(GROUP), "flows are not recorded yet")
        loop, waiting = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(packet_log.fileno(), waiting.set)
        try:
            while True:
                await waiting.wait()
                waiting.clear()
                for packet in packet_log.take(DATAGRAMS_A_TURN):
                    recorder.packet(packet, time.time())
                await asyncio.sleep(0)
        finally:
            loop.remove_reader(packet_log.fileno())
            packet_log.close()

    def _report(self, pod: Pod, message: str) -> None:
        self._events.event(PODS, pod, REASON, message, warning=True)

    def families(self) -> Iterator[Family]:
        """The metrics."""
        one = self._recorder
        return of_flows({}, 0, 0) if one is None else of_flows(one.counts, one.lost, one.unwritten)


def of_flows(counts: Mapping[tuple[str, str, str, str], int], lost: int, unwritten: int) -> Iterator[Family]:
    """The metrics of records: counts by verdict, direction, reason and protocol; what is in no record."""
    names = ("verdict", "direction", "reason", "protocol")
    samples = tuple((dict(zip(names, key, strict=True)), count) for key, count in sorted(counts.items()))
    yield Family("podwire_flows_total", "Connection attempts that were recorded.", "counter", samples)
    text = "Times that the kernel could not hand packets over, as the agent read too slowly."
    yield counter("podwire_flow_records_lost_total", text, lost)
    yield counter(
        "podwire_flow_records_unwritten_total",
        "Packets without a record: the disk did not take it, or it could not be made.",
        unwritten,
    )


async def _journal(folder: Path) -> Journal:
    """The journal, as soon as it can be opened: a full disk is no reason to end the agent."""
    while True:
        try:
            return Journal(folder)
        except OSError as error:
            log.warning("flows are not recorded yet: %s", error)
            await asyncio.sleep(JOURNAL_SECONDS)
