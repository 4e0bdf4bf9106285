"""Addresses of domain names, learned from the cluster's own DNS answers to pods of this node before they get them.

Rules hold the answers (NFQUEUE) and the agent releases each one after the rows with its addresses are in the kernel.
Where that fails, or takes too long, the answer goes on all the same and the addresses are not admitted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from podwire.agent import learned_names
from podwire.agent.opening import opened
from podwire.agent.resolvers import Resolvers
from podwire.kernel.packet_headers import datagram, headers
from podwire.kernel.packet_queue import HeldPacket, PacketQueue
from podwire.kube.feed import Feed
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.policy.known_names import MOST_NAMES, KnownNames
from podwire.policy.model import IPAddress
from podwire.policy.policies import Policies
from podwire.policy.sink import ANSWER_QUEUE
from podwire.policy.tiers import NamePeers

if TYPE_CHECKING:
    from podwire.dns.address_answer import AddressAnswer

log = logging.getLogger(__name__)

PACKETS_A_TURN = 32
WAIT_SECONDS = 1.0
"""Longest time that an answer waits for its rows."""
SAVE_SECONDS = 5.0
"""Longest time for which a later end of a known address is in no file."""


class NameLearning:
    """The names of one node."""

    def __init__(self, policies: Policies, folder: Path) -> None:
        self._policies = policies
        self._folder = folder
        self._names = KnownNames()
        self._resolvers = Resolvers()
        self._changed = asyncio.Event()
        self._unsaved = False
        self._saved = 0.0
        self._full: set[str] = set()
        """Policies that had too many names, for one message each."""
        now = time.monotonic()
        for name in learned_names.restore(self._names, folder, now):
            self._apply(name)

    def follow(self, services: Feed[Service]) -> None:
        """Follow the addresses of the cluster's DNS."""
        services.subscribe(self._service_changed)

    def _service_changed(self, change: Change[Service]) -> None:
        if self._resolvers.service_changed(change):
            self._policies.resolvers_changed(self._resolvers.addresses)

    async def run(self) -> None:
        """Learn until cancelled. Without NFQUEUE, which is reported once, names have no addresses."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._end())
            tasks.create_task(self._read())

    def lines(self) -> Iterator[str]:
        """The names as text."""
        now = time.monotonic()
        for name in sorted(self._names):
            for address, end in self._names.ends(name).items():
                yield f"{name} is {address} for {max(end - now, 0):.0f} s"

    async def _read(self) -> None:
        queue = await opened(lambda: PacketQueue(ANSWER_QUEUE), "domain names are not learned yet")
        loop, waiting = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(queue.fileno(), waiting.set)
        try:
            while True:
                await waiting.wait()
                waiting.clear()
                while held := queue.take(PACKETS_A_TURN):
                    await self._pass(queue, held)
        finally:
            loop.remove_reader(queue.fileno())
            queue.close()

    async def _pass(self, queue: PacketQueue, held: Sequence[HeldPacket]) -> None:
        """Release what has nothing new at once, the rest after its rows are written."""
        new = [one for one in held if self._learn(one.packet)]
        queue.release(one for one in held if one not in new)
        if not new:
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._policies.settle()
        except TimeoutError:
            log.warning("a DNS answer is sent before its addresses are admitted: rows are not written yet")
        queue.release(new)
        self._save()

    def _learn(self, packet: bytes) -> bool:
        """Learn from an answer; return whether rows change."""
        from podwire.dns.address_answer import address_answer

        found, content = headers(packet), datagram(packet)
        answer = address_answer(content) if content is not None else None
        if found is None or answer is None or not self._concerns(found.destination, answer):
            return False
        more = self._names.learn(answer.name, answer.addresses, answer.ttl, time.monotonic())
        self._unsaved = True
        self._changed.set()
        if more:
            self._apply(answer.name)
        return more

    def _concerns(self, client: IPAddress, answer: AddressAnswer) -> bool:
        """Whether a rule for this pod names the name, and its policies have room for it."""
        view = self._policies.view
        pod = view.bearer(client)
        if pod is None or not pod.local or not view.tiers.naming_for(pod.identity, answer.name):
            return False
        return answer.name in self._names or self._has_room(answer.name)

    def _has_room(self, name: str) -> bool:
        for policy in self._policies.view.tiers.naming(name):
            peers = [peer for peer in policy.peers if isinstance(peer, NamePeers)]
            if sum(any(peer.means(one) for peer in peers) for one in self._names) >= MOST_NAMES:
                if policy.name not in self._full:
                    log.warning(
                        "ClusterNetworkPolicy %s has %d names: %s is not admitted", policy.name, MOST_NAMES, name
                    )
                self._full.add(policy.name)
                return False
        return True

    def _apply(self, name: str) -> None:
        self._policies.name_changed(name, self._names.ends(name), self._names.former(name))

    async def _end(self) -> None:
        """End the addresses whose time has come, and keep the file up to date."""
        while True:
            self._changed.clear()
            now = time.monotonic()
            for name in self._names.end(now):
                self._unsaved = True
                self._apply(name)
            if now - self._saved >= SAVE_SECONDS:
                self._save()
            following = self._names.next_end
            if following is None:
                self._save()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if following is None else min(following - now, SAVE_SECONDS)):
                    await self._changed.wait()

    def _save(self) -> None:
        self._saved = time.monotonic()
        if self._unsaved:
            learned_names.save(self._names, self._folder, self._saved)
        self._unsaved = False
