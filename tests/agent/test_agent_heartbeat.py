"""An agent's Lease against an API server in memory: renewed while there is an address, and those of others followed."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podwire.agent import agent_heartbeat
from podwire.agent.agent_heartbeat import AgentHeartbeat
from podwire.announcement.announcer import Announcements, Feeds
from podwire.announcement.rows import ProxyRow
from podwire.engine.sink import FakeSink
from podwire.kube.client import ApiError
from podwire.kube.coordination import AGENT_LEASES
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.kinds import LEASES, Kind
from podwire.kube.services import Service
from tests.announcement.objects import FakeFeed, balanced, node
from tests.kube.fake_api import FakeApi

RANGES = (ipaddress.ip_network("192.0.2.0/24"),)


async def rules_exist() -> None:
    """Rules of Services are not looked at here."""


class Api(FakeApi):
    """An API server whose only namespace is that of Leases."""

    def watch(self, kind: Kind[Any], namespace: str = "", **parameters: str) -> AsyncIterator[bytes]:
        assert kind.path(namespace).endswith("/namespaces/podwire-node-lease/leases")
        assert parameters["labelSelector"] == "podwire.dev/heartbeat"
        return super().watch(kind, **parameters)


class Place:
    """The agent of node `own`, and an API server."""

    def __init__(self) -> None:
        self.api = Api()
        self.services: FakeFeed[Service] = FakeFeed()
        slices: FakeFeed[EndpointSlice] = FakeFeed()
        self.nodes: FakeFeed[Node] = FakeFeed()
        for name in ("own", "other"):
            self.nodes.put(node(name))
        feeds = Feeds(self.services, slices, self.nodes)
        sink: FakeSink[ProxyRow] = FakeSink()
        self.announcements = Announcements("own", RANGES, feeds, sink, lambda _: (), rules_exist)
        self.heartbeat = AgentHeartbeat(self.api, "own", self.nodes)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.heartbeat.run(self.announcements))
        try:
            async with asyncio.timeout(60):
                yield
            assert not task.done()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until_living(self, *names: str) -> None:
        nodes = frozenset({"own", "other"})
        await self.api.until(lambda: self.announcements.heartbeats.living(nodes) == frozenset(names))

    def renewals(self) -> int:
        return self.api.calls["PATCH", LEASES.resource] + self.api.calls["POST", LEASES.resource]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(agent_heartbeat, "RENEW_SECONDS", 0.02)
    return Place()


async def test_without_an_address_nothing_is_read_or_written(place: Place) -> None:
    async with place.working():
        place.services.put(balanced("web", "198.51.100.1"))
        await asyncio.sleep(0.1)
    assert not place.api.calls


async def test_the_lease_is_renewed_and_a_node_without_one_has_no_agent(place: Place) -> None:
    place.services.put(balanced("web", "192.0.2.1"))
    async with place.working():
        await place.until_living("own")
        (lease,) = place.api.all(LEASES)
        assert lease["metadata"]["name"] == "podwire-agent-own"
        assert lease["metadata"]["namespace"] == AGENT_LEASES
        assert lease["metadata"]["ownerReferences"][0]["name"] == "own"
        assert lease["metadata"]["labels"] == {"podwire.dev/heartbeat": "agent"}
        labels = {"labels": {"podwire.dev/heartbeat": "agent"}}
        spec = {"holderIdentity": "other", "renewTime": "2026-01-01T00:00:00.000000Z"}
        place.api.put(LEASES, "podwire-agent-other", AGENT_LEASES, metadata=labels, spec=spec)
        await place.until_living("own", "other")
        await place.until_living("own")  # it is renewed no more


async def test_after_the_last_address_nothing_is_renewed(place: Place) -> None:
    service = balanced("web", "192.0.2.1")
    place.services.put(service)
    async with place.working():
        await place.until_living("own")
        place.services.remove(service)
        count = place.renewals()
        await asyncio.sleep(0.2)
        assert place.renewals() <= count + 1


async def test_where_leases_are_forbidden_all_agents_count_as_alive(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    for verb in ("GET", "PATCH", "POST"):
        place.api.refuse[verb, LEASES.resource] = ApiError(403, "Forbidden", "no")
    place.services.put(balanced("web", "192.0.2.1"))
    async with place.working():
        await place.api.until(lambda: "the Lease of this agent" in caplog.text)
        await place.until_living("own", "other")
    assert caplog.text.count("the Lease of this agent") == 1
