"""Key sets of issuers of tokens (JWKS, RFC 7517), fetched by the node and served to its Envoy on a unix socket.

Envoy fetches none itself: a URL of a user is read with bounds and never at an address of the node, and a key set that
Envoy does not understand is not part of its configuration.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from podwire.kube.backoff import Backoff
from podwire.mesh.authorization.tokens import Issuer

log = logging.getLogger(__name__)

MOST_BYTES = 256 << 10
FETCH_SECONDS = 10.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 60.0
LEAST_FRESH_SECONDS, FRESH_SECONDS, MOST_FRESH_SECONDS = 30.0, 300.0, 3600.0
"""Between two fetches, where the answer names none (Cache-Control, RFC 9111), and the bounds of what it may name."""
KEPT_SECONDS = 86_400.0
"""A key set that cannot be fetched again is used so long; then all tokens of its issuer are refused."""
_MAX_AGE = "max-age="


class KeySetError(Exception):
    """A key set cannot be fetched."""


class KeySets:
    """`run` must run once; `require` may be called at any time."""

    def __init__(self, socket: str, resolver: AbstractResolver | None = None) -> None:
        self._socket = socket
        self._resolver = resolver
        self._inline: dict[str, str] = {}
        self._fetched: dict[str, tuple[str, float]] = {}
        self._urls: dict[str, str] = {}
        self._changed = asyncio.Event()

    def require(self, issuers: Iterable[Issuer]) -> None:
        """Serve the key sets of these issuers, and no others."""
        issuers = tuple(issuers)
        self._inline = {one.keys_name: one.keys for one in issuers if one.keys}
        urls = {one.keys_name: one.keys_url for one in issuers if one.keys_url and not one.keys}
        if urls != self._urls:
            self._urls = urls
            self._changed.set()

    def key_set(self, name: str) -> str | None:
        """Return a key set; None where it is not known, or too old."""
        if name in self._inline:
            return self._inline[name]
        text, fetched = self._fetched.get(name, ("", 0.0))
        return text if text and name in self._urls and time.monotonic() - fetched < KEPT_SECONDS else None

    async def run(self) -> None:
        """Fetch and serve until cancelled. Raises OSError where the socket cannot be made."""
        app = web.Application()
        app.router.add_get("/{name}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        if os.path.exists(self._socket):
            os.unlink(self._socket)
        try:
            await web.UnixSite(runner, self._socket).start()
            await self._fetch_all()
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        found = self.key_set(request.match_info["name"])
        if found is None:
            return web.Response(status=503)
        return web.Response(text=found, content_type="application/json")

    async def _fetch_all(self) -> None:
        """Have one task for each URL that is required."""
        tasks: dict[str, asyncio.Task[None]] = {}
        connector = aiohttp.TCPConnector(
            resolver=_OutsideResolver(self._resolver), limit_per_host=2, ssl=ssl.create_default_context()
        )
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(FETCH_SECONDS)) as session:
            try:
                while True:
                    for name in tasks.keys() - self._urls.keys():
                        tasks.pop(name).cancel()
                        self._fetched.pop(name, None)
                    for name in self._urls.keys() - tasks.keys():
                        tasks[name] = asyncio.create_task(self._follow(session, name, self._urls[name]))
                    await self._changed.wait()
                    self._changed.clear()
            finally:
                for task in tasks.values():
                    task.cancel()

    async def _follow(self, session: aiohttp.ClientSession, name: str, url: str) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, 2.0)
        while True:
            try:
                text, fresh = await fetched(session, url)
            except (KeySetError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                delay = backoff.step()
                log.warning("keys of %s: %s; trying again in %.0f s", url, str(error) or type(error).__name__, delay)
            else:
                self._fetched[name] = (text, time.monotonic())
                backoff, delay = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, 2.0), fresh
            await asyncio.sleep(delay)


async def fetched(session: aiohttp.ClientSession, url: str) -> tuple[str, float]:
    """Return a key set and for how many seconds it is fresh. Raises KeySetError, and what aiohttp raises."""
    _refuse_own_address(urlsplit(url).hostname or "")
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise KeySetError(f"the answer is {response.status}; redirects are not followed")
        body = await response.content.read(MOST_BYTES + 1)
        while len(body) <= MOST_BYTES and (more := await response.content.read(MOST_BYTES)):
            body += more
        if len(body) > MOST_BYTES:
            raise KeySetError(f"it has more than {MOST_BYTES} bytes")
        return _key_set(body), fresh_seconds(response.headers)


def fresh_seconds(headers: Mapping[str, str]) -> float:
    """Return for how long an answer is fresh, within bounds."""
    for part in headers.get("Cache-Control", "").lower().split(","):
        text = part.strip()
        if text.startswith(_MAX_AGE) and text[len(_MAX_AGE) :].isdigit():
            return min(max(float(text[len(_MAX_AGE) :]), LEAST_FRESH_SECONDS), MOST_FRESH_SECONDS)
    return FRESH_SECONDS


def _key_set(body: bytes) -> str:
    value: Any = json.loads(body)
    if not isinstance(value, dict) or not isinstance(value.get("keys"), list) or not value["keys"]:
        raise KeySetError("it is no key set: an object with keys is needed (RFC 7517, 5)")
    return json.dumps(value)


def _refuse_own_address(host: str) -> None:
    """Raise KeySetError for an address of the machine itself: this program is in the node's network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified or mapped.is_multicast:
        raise KeySetError(f"{host} is an address of the node, not of an issuer")


class _OutsideResolver(AbstractResolver):
    """Resolves names; an answer with an address of the node itself is an error."""

    def __init__(self, resolver: AbstractResolver | None) -> None:
        self._resolver = resolver or aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Return the addresses of a name. Raises OSError and KeySetError."""
        found = await self._resolver.resolve(host, port, family)
        for one in found:
            _refuse_own_address(one["host"])
        return found

    async def close(self) -> None:
        """Release what it has."""
        await self._resolver.close()
