"""The same clients with their cookies at nginx and at podwire's Envoy: affinity."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from podwire.insight.replay import differences
from podwire.insight.replay.exchange import Answer, Server
from podwire.insight.replay.requests import ReplayRequest
from tests.edge.nginx.backend import FROM_BACKEND
from tests.edge.nginx.conftest import Served
from tests.edge.nginx.envoy_side import Edge

pytestmark = pytest.mark.asyncio(loop_scope="package")
CLIENTS = 30
"""That all have the same one of two endpoints has a chance of 1 to 2^29."""
MORE = 4
COMPARED = differences.IGNORED | {FROM_BACKEND}


class Session(msgspec.Struct, frozen=True):
    """The first answer of a client, and those to further requests with the cookie that it got."""

    first: Answer
    further: tuple[Answer, ...]

    @property
    def endpoints(self) -> set[str]:
        """Names of the backends that answered."""
        return {json.loads(one.body)["backend"] for one in (self.first, *self.further)}


def set_cookies(answer: Answer) -> list[str]:
    return [value for name, value in answer.headers if name == "set-cookie"]


async def sessions(
    served: Served, edge: Edge, host: str, path: str, *, is_encrypted: bool = False
) -> AsyncIterator[Session]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        server = Server(edge.urls[is_encrypted], client, served.sides.tls[""])
        for _ in range(CLIENTS):
            first = await server.answer(ReplayRequest(path, host))
            assert first.status == 200, first
            (cookie,) = set_cookies(first)
            request = ReplayRequest(path, host, headers={"Cookie": f"a=1; {cookie.partition(';')[0]}; b=2"})
            yield Session(first, tuple([await server.answer(request) for _ in range(MORE)]))


@pytest.mark.parametrize(
    ("host", "path", "is_encrypted"),
    [
        ("sticky.example.com", "/", False),
        ("sticky.example.com", "/x", True),
        ("own.sticky.example.com", "/app/x", False),
        ("ending.sticky.example.com", "/", False),
    ],
)
async def test_a_client_keeps_its_endpoint_by_the_same_cookie(
    served: Served, host: str, path: str, *, is_encrypted: bool
) -> None:
    sides = (served.sides.nginx, served.sides.envoy)
    old, new = [[one async for one in sessions(served, edge, host, path, is_encrypted=is_encrypted)] for edge in sides]
    for found in (old, new):
        assert all(len(one.endpoints) == 1 for one in found), "each client stays"
        assert {name for one in found for name in one.endpoints} == {"web", "other"}, "clients are spread"
        assert not any(set_cookies(answer) for one in found for answer in one.further), "the cookie is set once"
    compared = zip(old, new, strict=True)
    differ = [
        line
        for before, after in compared
        for one, other in zip((before.first, *before.further), (after.first, *after.further), strict=True)
        for line in differences.differences(one, other, COMPARED)
        if line.what not in {"body backend", "body headers cookie"}
    ]
    assert not differ


async def test_a_cookie_of_nobody(served: Served) -> None:
    """At nginx it is a key like any other; podwire's cookie names an endpoint, so the client gets a new one.

    Documented with `affinity`.
    """
    counts = []
    for edge in (served.sides.nginx, served.sides.envoy):
        async with aiohttp.ClientSession() as client:
            server = Server(edge.urls[False], client, served.sides.tls[""])
            request = ReplayRequest("/", "sticky.example.com", headers={"Cookie": "INGRESSCOOKIE=forged"})
            answer = await server.answer(request)
            assert answer.status == 200
            counts.append(len(set_cookies(answer)))
    assert counts == [0, 1]
