"""Send a request to a server and return its answer as it is: no redirect is followed."""

from __future__ import annotations

import asyncio
import os
import ssl
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from podwire.insight.replay import client_tls
from podwire.insight.replay.requests import ReplayRequest

MOST_BYTES = 8 << 20


class Answer(msgspec.Struct, frozen=True):
    """What a server answered. `fault`: why there is no answer; empty where there is one."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    fault: str = ""


class Server:
    """One of both servers, and TLS towards it."""

    def __init__(self, url: str, session: aiohttp.ClientSession, tls: ssl.SSLContext) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._tls = tls

    async def answer(self, request: ReplayRequest) -> Answer:
        """Send the request. Never raises for what a server does."""
        host = request.host or urlsplit(self.url).netloc
        try:
            async with self._session.request(
                request.method,
                URL(self.url + request.path, encoded=True),
                headers={**request.headers, "Host": host},
                data=request.body.encode() or None,
                allow_redirects=False,
                ssl=self._tls,
                server_hostname=host.partition(":")[0] if self.url.startswith("https:") else None,
            ) as response:
                body = await response.content.read(MOST_BYTES)
                headers = tuple((name.lower(), value) for name, value in response.headers.items())
                return Answer(response.status, headers, body)
        except aiohttp.ClientConnectorError as error:
            return Answer(fault=os.strerror(error.os_error.errno) if error.os_error.errno else str(error))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Answer(fault=str(error) or type(error).__name__)


async def exchange(
    old: str, new: str, requests: tuple[ReplayRequest, ...], seconds: float, tls: ssl.SSLContext | None = None
) -> tuple[tuple[Answer, Answer], ...]:
    """Send each request to both servers, one after the other; return the answers in their order.

    `seconds` limits each answer. `tls` has the client's certificate; None: the client has none.
    """
    tls = tls or client_tls.context()
    limits = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(
        timeout=limits, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        servers = Server(old, session, tls), Server(new, session, tls)
        found = []
        for one in requests:
            first, second = await asyncio.gather(*(server.answer(one) for server in servers))
            found.append((first, second))
        return tuple(found)
