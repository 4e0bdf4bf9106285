"""Pods come and go while policies change and writes fail: at the end the kernel holds what the model says.

Addresses and names of pods are used again at once, and each pod is compared while it lives too: one that is admitted is
behind a link with its identity, so none stays closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from podwire.engine import reconcile
from podwire.engine.row import Delta
from podwire.engine.sink import RefusedError, SinkError
from podwire.kernel import links
from podwire.kernel.link_end import LinkEnd
from podwire.kernel.link_groups import LinkGroups
from podwire.kernel.netlink import Netlink
from podwire.kernel.nftables import Nftables
from podwire.kube.core import Pod
from podwire.kube.watch import Change
from podwire.policy.derivation import rows
from podwire.policy.identities import IdentityAllocator
from podwire.policy.peers import PeerPods
from podwire.policy.pod_ranges import PodRanges
from podwire.policy.policies import Policies, PolicyFeeds
from podwire.policy.rows import AddressRow, LinkRow, Row
from podwire.policy.sink import TABLE, PolicySink
from podwire.policy.tiers import TierSubject
from podwire.policy.view import Owner, View
from tests.policy.cluster import address, peer, pod
from tests.policy.random_worlds import POD_RANGES, RandomWorld, random_world
from tests.policy.test_policies import FakeFeed, FakePeers
from tests.sandbox import sandboxed

LANES = 6
"""Pods that live at the same time on this node."""
LIVES = 8
LONG_LIVES = int(os.environ.get("PODWIRE_CHURN_LIVES", "50"))
FAILING, FAILURES = range(8, 11), 0.02
"""Moments, before a batch is written and after, that fail in a row (refused rows are searched for then); and others."""
PATIENCE_SECONDS = 240
OTHERS = 12
"""Addresses of pods of other nodes."""


class Failing:
    """A sink whose writes fail now and then, before the kernel has the batch or after it has."""

    def __init__(self, sink: PolicySink, chance: random.Random) -> None:
        self._sink = sink
        self._chance = chance
        self._moments = self.failures = 0

    async def read(self) -> Iterable[Row]:
        return await self._sink.read()

    async def in_order(self, delta: Delta[Row]) -> Sequence[Delta[Row]]:
        return await self._sink.in_order(delta)

    async def write(self, delta: Delta[Row]) -> None:
        self._fail()
        await self._sink.write(delta)
        self._fail()

    def _fail(self) -> None:
        self._moments += 1
        if self._moments in FAILING or self._chance.random() < FAILURES:
            self.failures += 1
            raise SinkError("in its turn")


class Churn:
    """One node: what its informers send, and the links of its pods."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.pods, self.namespaces, self.policies = FakeFeed(), FakeFeed(), FakeFeed()
        self.cluster_policies, self.nodes, self.peers = FakeFeed(), FakeFeed(), FakePeers()
        self.numbers = IdentityAllocator(folder / "numbers.db")
        self.sink = Failing(PolicySink.here(), self.random)
        feeds = PolicyFeeds(self.pods, self.namespaces, self.policies, self.cluster_policies, self.nodes, self.peers)
        self.work = Policies("node-1", feeds, self.sink, self.numbers, ranges=PodRanges(POD_RANGES))
        self.netlink = Netlink()
        self.attached: dict[str, tuple[Pod, list[str], LinkEnd]] = {}
        self.free = [f"10.0.1.{number}" for number in range(2, LANES + 3)]
        self.lives = itertools.count(1)
        self.worlds = [random_world(seed * 10 + number) for number in range(3)]
        self.reading = PeerPods()
        for feed in (self.pods, self.namespaces, self.policies, self.cluster_policies, self.nodes, self.peers):
            feed.synced.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.work.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def live(self, name: str) -> None:
        """A pod of this node starts, changes, and ends; its name and address are used before."""
        number = next(self.lives)
        ips = self.free.pop(0)
        both = [ips, f"fd00:1::{ips.rpartition('.')[2]}"]
        item = self.labelled(pod(name, "", uid=f"uid-{number}", created=f"2026-01-01T00:00:{number % 60:02}Z"))
        link = self.plug(f"pw{number}")
        self.attached[name] = (item, both, link)
        admitted = asyncio.create_task(self.admitted(item, both, link))
        await self.while_others_run()
        self.pods.say(item)
        await admitted
        for _ in range(self.random.randrange(3)):
            item = self.labelled(item)
            self.pods.say(item)
            await self.while_others_run()
        self.netlink.run([links.delete(link.name)])
        if early := self.random.random() < 0.5:
            self.pods.drop(item)
        del self.attached[name]
        async with self.patience(item):
            await until_taken(lambda: self.work.release(item.key, item.metadata.uid, list(map(address, both))))
        self.free.append(ips)
        if not early:
            self.pods.drop(item)

    async def admitted(self, item: Pod, ips: list[str], link: LinkEnd) -> None:
        """Wait for the pod's rows."""
        async with self.patience(item):
            await until_taken(lambda: self.work.admit(item.key, item.metadata.uid, list(map(address, ips)), link))
            while not dict(LinkGroups().groups("pw")).get(link):  # noqa: ASYNC110  closed while its identity changes
                await asyncio.sleep(0.01)
        bearer = self.work.view.bearer(address(ips[0]))
        assert bearer is not None
        assert bearer.local

    @contextlib.asynccontextmanager
    async def patience(self, item: Pod) -> AsyncIterator[None]:
        """What lasts longer than this is taken for a wait without end."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield
        except TimeoutError:
            raise AssertionError(
                f"{item.key}: {self.work.obstacle(item.key, item.metadata.uid)}; {self.state()}"
            ) from None

    def state(self) -> str:
        """What tells a turn that does not end from rows that stay refused, and from links that stay closed."""
        work = self.work.reconcilers[0]
        refused = "; ".join(map(str, work.table.refusals())) or "none"
        return f"{work.counters}, {self.sink.failures} failures, groups {dict(LinkGroups().groups('pw'))}, {refused}"

    def labelled(self, item: Pod) -> Pod:
        """The pod with other labels, and ports of other numbers."""
        labels = " ".join(f"{key}={self.random.choice('pq')}" for key in ("app", "tier") if self.random.random() < 0.7)
        ports = self.random.choice(("web=80/TCP dns=81/UDP", "web=81/TCP", ""))
        meta = item.metadata
        return pod(str(item.key), "", uid=meta.uid, created=meta.creation_timestamp or "", labels=labels, ports=ports)

    def plug(self, name: str) -> LinkEnd:
        """A new link, whose other end is here too."""
        with open("/proc/thread-self/ns/net") as here:
            near, far = links.VethEnd(name, "02:00:00:00:00:01"), links.VethEnd(f"far-{name}", "02:00:00:00:00:02")
            self.netlink.run([links.veth(near, far, here.fileno(), 1500)])
        found = links.find(self.netlink, name)
        assert found is not None
        return LinkEnd(name, found.index)

    async def while_others_run(self) -> None:
        await asyncio.sleep(self.random.random() * 0.01)

    async def lane(self, lives: int, key: str) -> None:
        for _ in range(lives):
            await self.live(key)

    async def change(self) -> None:
        """Change policies, namespaces and pods of other nodes until cancelled."""
        while True:
            world = self.random.choice(self.worlds)
            self.random.choice((self.change_objects, self.change_objects, self.change_peer))(world)
            await self.while_others_run()

    def change_objects(self, world: RandomWorld) -> None:
        """An object as it is in this world, or none."""
        kinds = {
            "Namespace": self.namespaces,
            "NetworkPolicy": self.policies,
            "ClusterNetworkPolicy": self.cluster_policies,
        }
        found = [item for item in world.objects() if type(item).__name__ in kinds]
        item = self.random.choice(found)
        feed = kinds[type(item).__name__]
        if item.key in feed.objects and self.random.random() < 0.3:
            feed.drop(feed.objects[item.key])
        else:
            feed.say(item)

    def change_peer(self, _: RandomWorld) -> None:
        """A pod of another node: its address may be another one's that is on its way out."""
        number = self.random.randrange(OTHERS)
        key = f"{self.random.choice('xyz')}/far-{number}"
        before = next((one for one in self.peers.objects.values() if str(one.key) == key), None)
        if before is not None and self.random.random() < 0.5:
            self.peers.drop(before)
            return
        ips = f"10.0.2.{self.random.randrange(2, OTHERS)}"
        made = pod(key, ips, node="node-2", labels=f"app={self.random.choice('pq')}", uid=f"uid-{key}")
        found = peer(self.reading, made)
        assert found is not None
        self.peers.say(found)

    def expected(self) -> set[Row]:
        """The rows of a view that knows the objects of now alone."""
        view = View("node-1", ranges=PodRanges(POD_RANGES))
        owners: set[Owner] = set()
        takers: list[tuple[FakeFeed, Any]] = [
            (self.namespaces, view.namespace_changed),
            (self.policies, view.policy_changed),
            (self.cluster_policies, view.cluster_policy_changed),
            (self.pods, view.pod_changed),
            (self.peers, view.peer_changed),
        ]
        for feed, take in takers:
            for item in feed.objects.values():
                owners |= take(Change(None, item))
        for item, ips, link in self.attached.values():
            owners |= view.attach(item.key, item.metadata.uid, list(map(address, ips)), link)
        subjects = set(view.subjects())
        owners |= {*view.pod_addresses(), *subjects, *map(TierSubject, subjects)}
        return {nameless(row) for owner in owners for row in rows(owner, view, self.numbers)}


async def until_taken(call: Callable[[], Awaitable[None]]) -> None:
    """Call again where a row was refused, as a runtime does."""
    while True:
        try:
            await call()
        except RefusedError:
            await asyncio.sleep(0.05)
        else:
            break


def nameless(row: Row) -> Row:
    """The row as the kernel holds it."""
    return replace(row, pod="") if isinstance(row, AddressRow) else row


async def churn(folder: Path, seed: int, lives: int) -> None:
    """Let pods live beside each other, and compare the kernel with the model while the last ones do."""
    world = Churn(folder, seed)
    async with world.running():
        changing = asyncio.create_task(world.change())
        async with asyncio.TaskGroup() as tasks:
            for number in range(LANES):
                tasks.create_task(world.lane(lives, f"{'xyz'[number % 3]}/pod-{number}"))
        for number in range(LANES):
            item = world.labelled(pod(f"x/last-{number}", "", uid=f"last-{number}"))
            ips, link = [world.free[number]], world.plug(f"pw-last{number}")
            world.attached[str(item.key)] = (item, ips, link)
            world.pods.say(item)
            await world.admitted(item, ips, link)
        changing.cancel()
        world.pods.say(*(world.labelled(item) for item, _, _ in world.attached.values()))
        await world.work.settle()
        while world.work.reconcilers[0].table.refusals():  # noqa: ASYNC110  nothing reports that they were tried again
            await asyncio.sleep(0.05)
        held = {nameless(row) for row in await PolicySink.here().read()}
        expected = world.expected()
        assert world.sink.failures
        assert sum(isinstance(row, LinkRow) for row in held) == LANES
        lacking, surplus = expected - held, held - expected
        assert (sorted(map(str, lacking)), sorted(map(str, surplus))) == ([], [])
        await compared(world, [])
        bearer = next(str(row.address) for row in held if isinstance(row, AddressRow) and row.address.version == 4)
        Nftables().run(f"delete element {TABLE} identity4 {{ {bearer} }}")
        await compared(world, [bearer])
        assert {nameless(row) for row in await PolicySink.here().read()} == expected


async def compared(world: Churn, addresses: list[str]) -> None:
    """The comparison of the table with the kernel finds that rows of these addresses are missing, and no more."""
    work = world.work.reconcilers[0]
    while True:
        work.compare()
        await world.work.settle()
        if not work.failure:
            break
    assert len(work.differences) == len(addresses), work.differences
    assert all(f"lacks {one} is" in line for one, line in zip(addresses, work.differences, strict=True))


@sandboxed
async def test_the_kernel_holds_what_the_model_says_after_a_churn(tmp_path: Path) -> None:
    reconcile.RETRY_REFUSED_SECONDS = 0.2  # in the child that this test is
    await churn(tmp_path, 1, LIVES)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(2, 8))
@sandboxed
async def test_the_kernel_holds_what_the_model_says_after_longer_churns(seed: int, tmp_path: Path) -> None:
    reconcile.RETRY_REFUSED_SECONDS = 0.2
    await churn(tmp_path, seed, LONG_LIVES)
