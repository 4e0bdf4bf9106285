"""Logs of several pods in one stream."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from podwire.insight.operations import logs
from podwire.insight.operations.logs import LogRequest, Prefixed, chosen, prefix
from podwire.insight.operations.programs import ClusterError, Program
from tests.insight.operations.scene import pod
from tests.kube.fake_server import connected

AGENTS = LogRequest(Program.AGENT)


def test_lines_are_whole_and_have_their_prefix() -> None:
    written: list[bytes] = []
    lines = Prefixed(written.append, b"a | ")
    lines.feed(b"on")
    assert not written
    lines.feed(b"e\ntwo\nthr")
    lines.feed(b"ee")
    lines.end()
    lines.end()
    assert b"".join(written) == b"a | one\na | two\na | three\n"


def test_the_prefix_is_what_distinguishes_a_pod() -> None:
    first, second = pod("a"), pod("b")
    assert prefix(first, [first]) == b""
    assert prefix(first, [first, second]) == b"a | "
    twin = pod("a", name="twin")
    assert prefix(twin, [first, twin]) == b"twin | "


def test_nodes_choose_the_pods() -> None:
    pods = [pod("a"), pod("b"), pod("")]
    assert chosen(pods, AGENTS) == pods[:2]
    assert chosen(pods, LogRequest(Program.AGENT, ("b",))) == [pods[1]]
    with pytest.raises(ClusterError, match="--node c: has no pod of agent; there are on a, b"):
        chosen(pods, LogRequest(Program.AGENT, ("c",)))
    with pytest.raises(ClusterError, match="has no pod with k8s-app=podwire-agent"):
        chosen([], AGENTS)


def listed(*names: str) -> web.Response:
    spec = {"nodeName": "a", "containers": [{"name": "agent"}]}
    items = [{"metadata": {"name": name, "namespace": "kube-system"}, "spec": spec} for name in names]
    return web.json_response({"metadata": {}, "items": items})


async def test_a_log_is_written_once_and_one_that_cannot_be_read_is_reported() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/pods"):
            return listed("x", "y")
        if "/y/" in request.path:
            return web.json_response({"reason": "BadRequest", "message": "container agent waits"}, status=400)
        assert dict(request.query) == {"container": "agent", "tailLines": "3"}
        return web.Response(body=b"one\ntwo")

    written: list[bytes] = []
    async with connected(handler) as client:
        problems = await logs.write_all(client, LogRequest(Program.AGENT, tail=3), written.append)
    assert b"".join(written) == b"x | one\nx | two\n", "in the order of one log"
    assert problems == ["pod kube-system/y on a: container agent waits"]


async def test_a_log_that_is_followed_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "AGAIN_SECONDS", 0.0)
    queries: list[dict[str, str]] = []
    again = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/pods"):
            return listed("x")
        queries.append(dict(request.query))
        if len(queries) == 2:
            again.set()
        return web.Response(body=b"line\n")

    written: list[bytes] = []
    async with connected(handler) as client, asyncio.timeout(60):
        request = LogRequest(Program.AGENT, follow=True, tail=1)
        following = asyncio.ensure_future(logs.write_all(client, request, written.append))
        await again.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert queries[0] == {"container": "agent", "tailLines": "1", "follow": "true"}
    assert queries[1] == {"container": "agent", "follow": "true", "sinceSeconds": "1"}


async def test_without_the_right_it_is_one_error() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/pods"):
            return listed("x")
        return web.json_response({"reason": "Forbidden", "message": "may not get pods/log"}, status=403)

    async with connected(handler) as client:
        with pytest.raises(ClusterError, match="must let this account get pods/log"):
            await logs.write_all(client, AGENTS, lambda _: None)
