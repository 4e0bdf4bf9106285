"""What a mirror receives from nginx and from podwire's Envoy of the same requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from podwire.insight.replay import differences
from podwire.insight.replay.exchange import Answer, Server
from podwire.insight.replay.requests import ReplayRequest
from tests.edge.nginx.conftest import Served
from tests.edge.nginx.envoy_side import Edge

pytestmark = pytest.mark.asyncio(loop_scope="package")
SECONDS = 60.0
ADDED = frozenset(
    (
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-scheme",
        "x-original-url", "x-original-method", "x-original-forwarded-for", "x-original-forwarded-host",
        "x-real-ip", "x-scheme", "x-sent-from", "x-auth-request-redirect",
    )
)  # fmt: skip
"""Headers that podwire's copies have of the edge, and nginx's have not: documented with `mirror-target`."""


async def answer_and_copy(served: Served, edge: Edge, request: ReplayRequest) -> tuple[Answer, dict[str, Any]]:
    """Send a request; return its answer, and what the mirror receives."""
    async with aiohttp.ClientSession() as client:
        answer = await Server(edge.urls[False], client, served.sides.tls[""]).answer(request)
    async with asyncio.timeout(SECONDS):
        return answer, await served.sides.backends["copies"].received.get()


def compared(copy: dict[str, Any]) -> dict[str, Any]:
    headers = {name: value for name, value in copy["headers"].items() if name not in ADDED}
    return {**copy, "headers": headers}


def requests(host: str) -> Iterator[ReplayRequest]:
    yield ReplayRequest("/x", host)
    yield ReplayRequest("/x/y?a=1&b=%20", host, headers={"X-Mine": "1", "Cookie": "a=1"})
    yield ReplayRequest("/x", host, "POST", {"Content-Type": "text/plain"}, "some text")
    yield ReplayRequest("/x", host, "PUT", {"Content-Type": "text/plain"}, "x" * 100_000)
    yield ReplayRequest("/x", host, "DELETE")


@pytest.mark.parametrize("host", ["copied.example.com", "headless.example.com"])
async def test_a_mirror_gets_the_same_copies(served: Served, host: str) -> None:
    for request in requests(host):
        (old, of_old), (new, of_new) = [
            await answer_and_copy(served, edge, request) for edge in (served.sides.nginx, served.sides.envoy)
        ]
        assert not list(differences.differences(old, new, differences.IGNORED)), str(request)
        assert compared(of_old) == compared(of_new), str(request)
    assert served.sides.backends["copies"].received.empty(), "one copy of each request"


async def test_requests_of_other_hosts_are_not_copied(served: Served) -> None:
    """Without a copy of the first requests, the next that the mirror receives is that of the last one."""
    for edge in (served.sides.nginx, served.sides.envoy):
        async with aiohttp.ClientSession() as client:
            server = Server(edge.urls[False], client, served.sides.tls[""])
            assert (await server.answer(ReplayRequest("/foo", "plain.example.com"))).status == 200
        _, copy = await answer_and_copy(served, edge, ReplayRequest("/last", "copied.example.com"))
        assert copy["path"] == "/last"
