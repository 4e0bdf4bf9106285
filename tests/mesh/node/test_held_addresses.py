"""An address is given to a new pod only when Envoy has no identity for it any more."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from podwire.agent.config import AgentConfig
from podwire.agent.redirecting import PolicyTable, Redirection, RedirectionFeeds, Settling
from podwire.edge.xds.proxy import Proxy
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, SECRET
from podwire.engine.row import Delta
from podwire.kernel import sysctl
from podwire.kernel.element_row import ElementRow
from podwire.kernel.nftables import Nftables
from podwire.kube.client import Client
from podwire.kube.core import Pod, PodStatus
from podwire.kube.feed import Feed
from podwire.kube.gateway_api import PROXIES
from podwire.kube.meta import ObjectMeta
from podwire.mesh.node.held_addresses import HeldAddresses
from podwire.redirection.enrolment import NODE_PROXY
from podwire.redirection.rows import identified_rows, pod_rows
from podwire.redirection.sink import TABLE, RedirectionSink
from tests.sandbox import sandboxed

FIRST, SECOND = ipaddress.ip_address("10.244.1.5"), ipaddress.ip_address("fd00::6")
DEADLINE_SECONDS = 60.0
MESH = Pod(metadata=ObjectMeta(name="podwire-mesh-x", namespace=PROXIES, labels={"app.kubernetes.io/name": NODE_PROXY}))


class Envoy:
    """What has been acknowledged; `lacks` are the types of resources that have not been."""

    def __init__(self, *lacks: str) -> None:
        self.lacks = set(lacks)

    def envoys(self) -> bool:
        return True

    def is_settled(self, type_url: str) -> bool:
        return type_url not in self.lacks

    def lacking(self, keys: Any) -> list[Any]:
        return [one for one in keys if one[0] in self.lacks]


class SlowSink:
    """Elements in memory; writes wait while `is_open` is not set."""

    def __init__(self) -> None:
        self.rows: set[ElementRow] = set()
        self.is_open, self.is_writing = asyncio.Event(), asyncio.Event()

    async def read(self) -> tuple[ElementRow, ...]:
        return tuple(self.rows)

    async def write(self, delta: Delta[ElementRow]) -> None:
        self.is_writing.set()
        await self.is_open.wait()
        self.rows |= set(delta.upserts)
        self.rows -= set(delta.removals)


@contextlib.asynccontextmanager
async def held_by(*addresses: Any) -> AsyncIterator[HeldAddresses]:
    """What the program of a node writes, while it runs: Envoy is configured with these."""
    held = HeldAddresses()
    running = asyncio.create_task(held.run())
    try:
        await held.add(addresses)
        yield held
    finally:
        running.cancel()


def agent(*pods: Pod) -> Redirection:
    """The capability of the node's agent; the rules are loaded, and the node has these pods."""
    config = cast("AgentConfig", SimpleNamespace(cluster=SimpleNamespace(ranges=())))
    nothing = cast("Any", None)
    synced = asyncio.Event()
    synced.set()
    feed = cast("Feed[Pod]", SimpleNamespace(synced=synced, objects={one.key: one for one in pods}))
    feeds = RedirectionFeeds(feed, nothing, nothing, nothing)
    policies, table = cast("Settling", nothing), cast("PolicyTable", nothing)
    return Redirection(config, cast("Client", nothing), feeds, policies, table, sysctl.write)


async def is_vacant(redirection: Redirection, *addresses: Any) -> bool:
    """Whether a pod with these addresses would be admitted now: a wait of several looks at the kernel."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await redirection.vacated(addresses)
            return True
    return False


@sandboxed
async def test_a_freed_address_is_not_given_out_while_envoy_has_its_old_identity() -> None:
    sink = RedirectionSink.here(sysctl.write)
    await sink.read()
    async with held_by(FIRST, SECOND) as held:
        redirection, envoy = agent(MESH), Envoy(SECRET)
        assert await sink.identified() == {FIRST, SECOND}, "before Envoy is configured with it"
        await held.add([SECOND])  # the first one's pod is gone
        held.follow(cast("Proxy", envoy))
        assert not await is_vacant(redirection, FIRST), "Envoy has not acknowledged that yet"
        envoy.lacks = {ENDPOINTS}
        held.follow(cast("Proxy", envoy))
        assert not await is_vacant(redirection, FIRST), "requests may be sent there still"
        assert str(FIRST) in redirection.obstacle((FIRST,))
        envoy.lacks.clear()
        held.follow(cast("Proxy", envoy))
        async with asyncio.timeout(DEADLINE_SECONDS):
            await redirection.vacated((FIRST,))
        assert not redirection.obstacle((FIRST,))
        assert not await is_vacant(redirection, SECOND)


@sandboxed
async def test_what_an_earlier_program_wrote_remains_until_envoy_has_acknowledged() -> None:
    """Envoy goes on with its identities while the program beside it is away, whatever release the agent is of."""
    sink = RedirectionSink.here(sysctl.write)
    await sink.read()
    async with held_by(FIRST):
        await sink.write(Delta(tuple(pod_rows((FIRST,)))))
    nft = Nftables()
    (version,) = (word for word in nft.run(f"list table {TABLE}").split() if word.startswith("version-"))
    nft.run(f"delete set {TABLE} {version}")
    assert list(await RedirectionSink.here(sysctl.write).read()) == [], "another release is replaced"
    async with held_by(SECOND) as held:
        held.follow(cast("Proxy", Envoy(LISTENER)))
        assert await sink.identified() == {FIRST, SECOND}
        assert not await is_vacant(agent(MESH), FIRST)


@sandboxed
async def test_what_is_acknowledged_before_envoy_is_configured_again_frees_nothing() -> None:
    await RedirectionSink.here(sysctl.write).read()
    sink, envoy = SlowSink(), cast("Proxy", Envoy())
    held = HeldAddresses(sink)
    running = asyncio.create_task(held.run())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            sink.is_open.set()
            await held.add([FIRST])
            held.follow(envoy)
            sink.is_open.clear()
            sink.is_writing.clear()
            adding = asyncio.create_task(held.add([SECOND]))  # the first one's pod is gone
            await sink.is_writing.wait()
            held.follow(envoy)  # of what it was configured with before
            sink.is_open.set()
            await adding
            assert sink.rows == set(identified_rows((FIRST, SECOND)))
            held.follow(envoy)
            while sink.rows != set(identified_rows((SECOND,))):  # noqa: ASYNC110  a set has no event
                await asyncio.sleep(0.01)
    finally:
        running.cancel()


@sandboxed
async def test_addresses_are_free_where_the_mesh_has_no_pod_any_more() -> None:
    """Nothing removes what the program of a node has written when its pod is deleted."""
    await RedirectionSink.here(sysctl.write).read()
    async with held_by(FIRST):
        pass
    assert not await is_vacant(agent(MESH), FIRST)
    redirection = agent()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await redirection.vacated((FIRST,))
    assert not redirection.obstacle((FIRST,))
    evicted = msgspec.structs.replace(MESH, status=PodStatus(phase="Failed"))
    async with asyncio.timeout(DEADLINE_SECONDS):
        await agent(evicted).vacated((FIRST,))
