"""Requests at the same time at nginx and at podwire's Envoy: limit-connections."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from podwire.insight.replay.exchange import Server
from podwire.insight.replay.requests import ReplayRequest
from tests.edge.nginx.conftest import Served
from tests.edge.nginx.envoy_side import Edge
from tests.edge.xds.real_envoy import until

pytestmark = pytest.mark.asyncio(loop_scope="package")
LIMIT = 2
SECONDS = 60.0


async def statuses(served: Served, edge: Edge, host: str) -> list[int]:
    """Return statuses while as many requests are held as are admitted: of further ones, of another host, of those."""
    backend = served.sides.backends["web"]
    backend.gate.clear()
    async with aiohttp.ClientSession() as client:
        server = Server(edge.urls[False], client, served.sides.tls[""])
        held = [asyncio.ensure_future(server.answer(ReplayRequest("/hold", host))) for _ in range(LIMIT)]
        await until(lambda: backend.held == LIMIT, "requests are held")
        further = [ReplayRequest("/x", host), ReplayRequest("/y", host), ReplayRequest("/foo", "plain.example.com")]
        found = [(await server.answer(one)).status for one in further]
        backend.gate.set()
        found += [(await one).status for one in held]
        async with asyncio.timeout(SECONDS):
            while (await server.answer(ReplayRequest("/x", host))).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return found


@pytest.mark.parametrize(("host", "further"), [("connections.example.com", 503), ("spared.example.com", 200)])
async def test_more_requests_at_the_same_time_are_refused_alike(served: Served, host: str, further: int) -> None:
    old, new = [await statuses(served, edge, host) for edge in (served.sides.nginx, served.sides.envoy)]
    assert old == new == [further, further, 200, 200, 200]
