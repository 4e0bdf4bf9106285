"""What a pod's network waits for before the pod may send: the EgressGateways, all that they read, and their rows."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from podwire.agent import egress_gateways
from podwire.agent.config import AgentConfig
from podwire.agent.egress_gateways import EgressFeeds, EgressGateways
from podwire.agent.egress_status import EgressStatus
from podwire.egress.element_sink import ElementSink
from podwire.egress.rows import UNREACHABLE, VIA
from podwire.engine.sink import FakeSink, RefusedError
from podwire.kube.credentials import Credentials
from podwire.pods.model import Cluster
from tests.egress.test_rows import gateway, node
from tests.policy.cluster import namespace, pod
from tests.policy.test_policies import FakeFeed, FakePeers

POD, ADDRESS = pod("shop/web", node="node-1", labels="egress=stable"), ipaddress.ip_address("10.244.1.2")


class Refused:
    """The keys of rows that the kernel refuses."""

    def __init__(self, is_refused: Callable[[Any], bool]) -> None:
        self._is_refused = is_refused

    def __contains__(self, key: object) -> bool:
        return self._is_refused(key)


class Status:
    """Of gateways; nobody reads it."""

    def touch(self, names: object) -> None:
        """Take names."""

    async def run(self, view: object) -> None:
        """Do nothing."""


class Agent:
    """The egress gateways of node-1, over feeds and sinks of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, is_refused: Callable[[Any], bool] = lambda _: False) -> None:
        def sink(*_: object) -> FakeSink[Any]:
            return FakeSink(refuses=cast("set[Hashable]", Refused(is_refused)))

        monkeypatch.setattr(egress_gateways, "is_loaded", lambda: False)
        monkeypatch.setattr(ElementSink, "here", sink)
        for name in ("RouteSink", "ProxySink"):
            monkeypatch.setattr(egress_gateways, name, sink)
        self.gateways, self.pods, self.namespaces, self.nodes = FakeFeed(), FakeFeed(), FakeFeed(), FakeFeed()
        self.peers = FakePeers()
        feeds = EgressFeeds(self.gateways, self.pods, cast("Any", self.peers), self.namespaces, self.nodes)
        ranges = (ipaddress.ip_network("10.244.0.0/16"),)
        config = AgentConfig("node-1", Credentials("http://localhost"), Cluster(ranges), ("10.96.0.0/16",), Path())
        self.work = EgressGateways(config, feeds, cast("EgressStatus", Status()), cast("Any", None), lambda: None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.work.run())
        try:
            async with asyncio.timeout(60):
                yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def complete(self) -> None:
        """All but the namespace of the pod is known."""
        self.gateways.say(gateway())
        self.nodes.say(node("node-1"), node("node-2"))
        self.pods.say(POD)
        for feed in (self.gateways, self.nodes, self.namespaces, self.pods, self.peers):
            feed.synced.set()

    def admitting(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.work.admit(POD.key, "uid", [ADDRESS]))

    async def waits(self, admitting: asyncio.Task[None], reason: str) -> None:
        """Return when this is what the pod waits for."""
        while reason not in self.work.obstacle(POD.key):  # noqa: ASYNC110  an obstacle is no event
            await asyncio.sleep(0)
        assert not admitting.done()


async def test_without_gateways_a_pod_waits_until_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(monkeypatch)
    async with agent.running():
        admitting = agent.admitting()
        await agent.waits(admitting, "has not sent the EgressGateways")
        agent.gateways.synced.set()
        await admitting
        assert agent.work.obstacle(POD.key) == ""
        assert not agent.peers.required


async def test_a_pod_waits_for_all_that_its_gateway_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(monkeypatch)
    async with agent.running():
        agent.gateways.say(gateway())
        agent.gateways.synced.set()
        admitting = agent.admitting()
        await agent.waits(admitting, "all that EgressGateways read")
        agent.complete()
        await agent.waits(admitting, "namespace shop")
        agent.namespaces.say(namespace("shop"))
        await admitting
        assert any(f"{ADDRESS}" in line for line in agent.work.rows())
        await agent.work.release(POD.key, "uid")
        assert not any(f"{ADDRESS}" in line for line in agent.work.rows())


@pytest.mark.parametrize(("kind", "is_open"), [(VIA, False), (UNREACHABLE, True)])
async def test_a_pod_whose_rows_are_refused_starts_only_where_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, kind: str, is_open: bool
) -> None:
    """Without the way to its node the route to nowhere counts; without that route the pod would leave otherwise."""
    agent = Agent(monkeypatch, lambda key: isinstance(key, tuple) and key[0] == "way" and key[-1] == kind)
    async with agent.running():
        agent.complete()
        agent.namespaces.say(namespace("shop"))
        admitting = agent.admitting()
        if is_open:
            with pytest.raises(RefusedError, match="egress gateway stable: "):
                await admitting
        else:
            await admitting


async def test_an_agent_without_a_server_counts_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(monkeypatch)
    agent.gateways.say(gateway())
    async with agent.running():
        admitting = agent.admitting()
        await agent.waits(admitting, "has not sent the EgressGateways")
        agent.nodes.say(node("node-1"), node("node-2"))
        agent.namespaces.say(namespace("shop"))
        agent.pods.say(POD)
        agent.work.start_without_server()
        await admitting
        assert any(f"{ADDRESS}" in line for line in agent.work.rows())
