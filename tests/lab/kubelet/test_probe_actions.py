"""Probes over the network: redirects and headers of HTTP, and gRPC's health service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from podwire.kube.core import Container, Probe
from podwire.lab.base.grpc_health import NOT_SERVING, SERVING, HealthServer
from podwire.lab.kubelet.probe import Prober
from podwire.lab.kubelet.probe_actions import Answer


async def ask(**settings: Any) -> Answer:
    async def never(command: tuple[str, ...], _: float) -> int:
        raise AssertionError(command)

    return await Prober(Container(name="c"), "127.0.0.1", never).probe(msgspec.convert(settings, Probe))


@contextlib.asynccontextmanager
async def site(**handlers: Any) -> AsyncIterator[int]:
    application = web.Application()
    for name, handler in handlers.items():
        application.router.add_get(f"/{name}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def test_a_local_redirect_is_followed_and_another_is_a_success() -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=500)

    async def here(_: web.Request) -> web.Response:
        raise web.HTTPFound("/broken")

    async def there(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://192.0.2.1/broken")

    async def circle(_: web.Request) -> web.Response:
        raise web.HTTPFound("/other")

    async def other(_: web.Request) -> web.Response:
        raise web.HTTPFound("/circle")

    async with site(broken=broken, here=here, there=there, circle=circle, other=other) as port:
        assert not (await ask(httpGet={"port": port, "path": "/here"})).success
        assert (await ask(httpGet={"port": port, "path": "/there"})).success
        assert "redirects" in (await ask(httpGet={"port": port, "path": "/circle"})).message


async def test_headers_of_a_probe_are_sent() -> None:
    async def strict(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.headers["X-Key"] == "k" and request.host == "shop" else 403)

    async with site(strict=strict) as port:
        headers = [{"name": "X-Key", "value": "k"}, {"name": "Host", "value": "shop"}]
        assert (await ask(httpGet={"port": port, "path": "/strict", "httpHeaders": headers})).success
        headers[0]["value"] = "other"
        assert not (await ask(httpGet={"port": port, "path": "/strict", "httpHeaders": headers})).success


@contextlib.asynccontextmanager
async def health_service(services: dict[str, int]) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = HealthServer(services.get)
        while data := await reader.read(1000):
            writer.write(server.receive(data))
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield int(listener.sockets[0].getsockname()[1])


async def test_grpc_health() -> None:
    async with health_service({"": SERVING, "shop.Mail": NOT_SERVING}) as port:
        assert (await ask(grpc={"port": port})).success
        mail = await ask(grpc={"port": port, "service": "shop.Mail"})
        assert mail == Answer(False, 'service unhealthy (responded with "NOT_SERVING")')
        other = await ask(grpc={"port": port, "service": "shop.Other"})
        expected = "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"
        assert other == Answer(False, expected)
    refused = await ask(grpc={"port": port})
    assert f'failed to connect service at "127.0.0.1:{port}"' in refused.message


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_what_is_no_grpc_server_fails(words: bytes) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        answer = await ask(grpc={"port": listener.sockets[0].getsockname()[1]})
    assert not answer.success
    assert "health rpc probe failed" in answer.message


async def test_a_grpc_server_that_never_answers() -> None:
    done = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        answer = await ask(grpc={"port": listener.sockets[0].getsockname()[1]}, timeoutSeconds=0)
        done.set()
    assert "within 0s" in answer.message
