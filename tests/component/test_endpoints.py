import asyncio
import json
from http import HTTPStatus

import aiohttp
import pytest

from podwire.component.endpoints import JSON, BindAddressError, Page, bind_address, response, serving, verdict
from tests.apiserver.conftest import free_listener

PAGES = {"/good": lambda: verdict(True), "/bad": lambda: verdict(False), "/json": lambda: Page("{}", content_type=JSON)}


def head(request: str) -> bytes:
    return f"{request} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /good", 200),
        ("GET /good?verbose=1", 200),
        ("GET /bad", 503),
        ("GET /else", 404),
        ("GET /good/", 404),
        ("POST /good", 405),
        ("GET", 404),
        ("", 404),
    ],
)
def test_each_path_has_its_page_and_others_none(request_line: str, status: int) -> None:
    assert response(head(request_line), PAGES).startswith(f"HTTP/1.1 {HTTPStatus(status).value} ".encode())


def test_head_has_the_length_of_the_body_and_no_body() -> None:
    whole, bare = response(head("GET /good"), PAGES), response(head("HEAD /good"), PAGES)
    assert whole.startswith(bare)
    assert whole.removeprefix(bare) == b"ok\n"


async def test_it_serves_on_every_address_and_the_port_is_free_afterwards() -> None:
    listener = free_listener()
    port = listener.getsockname()[1]
    listener.close()
    for _ in range(2):
        async with serving(PAGES, [("127.0.0.1", port), ("::1", port)]), aiohttp.ClientSession() as session:
            for host in ("127.0.0.1", "[::1]"):
                async with session.get(f"http://{host}:{port}/json") as response:
                    assert (response.status, response.content_type) == (200, JSON)
                    assert json.loads(await response.text()) == {}


async def test_a_taken_port_is_named() -> None:
    listener = free_listener()
    port = listener.getsockname()[1]
    with pytest.raises(OSError, match=f"127.0.0.1 port {port}: Address already in use"):
        async with serving(PAGES, [("127.0.0.1", port)]):
            pass


async def test_an_endless_head_ends_the_connection() -> None:
    listener = free_listener()
    port = listener.getsockname()[1]
    listener.close()
    async with serving(PAGES, [("127.0.0.1", port)]), asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /good HTTP/1.1\r\nX: " + b"a" * 20000)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::]:10256", ("::", 10256)), ("0.0.0.0:0", ("0.0.0.0", 0))],
)
def test_bind_addresses(text: str, expected: tuple[str, int]) -> None:
    assert bind_address(text) == expected


@pytest.mark.parametrize("text", ["", "80", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "a:²"])
def test_texts_that_are_no_bind_address(text: str) -> None:
    with pytest.raises(BindAddressError, match="ADDRESS:PORT"):
        bind_address(text)


def test_one_page_can_be_that_of_every_path_and_have_headers_of_its_own() -> None:
    page = Page("{}", HTTPStatus.SERVICE_UNAVAILABLE, JSON, (("X-Weight", "0"),))
    for path in ("/", "/healthz"):
        text = response(head(f"GET {path}"), lambda: page)
        assert text.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nX-Weight: 0\r\n" in text
