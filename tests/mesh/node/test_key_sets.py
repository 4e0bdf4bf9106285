"""Key sets of issuers: what is fetched, what is served to Envoy, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from podwire.mesh.authorization.tokens import Issuer
from podwire.mesh.node import key_sets
from podwire.mesh.node.key_sets import KeySetError, KeySets
from podwire.pki.certificates import Authority, write

KEYS = {"keys": [{"kty": "RSA", "kid": "1"}]}


class Resolver(AbstractResolver):
    """Every name is this address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self._address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@contextlib.asynccontextmanager
async def served(folder: Path, *issuers: Issuer, resolver: AbstractResolver | None = None) -> AsyncIterator[KeySets]:
    found = KeySets(str(folder / "keys"), resolver)
    found.require(issuers)
    task = asyncio.create_task(found.run())
    try:
        while not (folder / "keys").exists():
            assert not task.done()
            await asyncio.sleep(0.01)
        yield found
    finally:
        task.cancel()
        await asyncio.wait([task])


async def read(folder: Path, name: str) -> tuple[int, str]:
    connector = aiohttp.UnixConnector(str(folder / "keys"))
    async with aiohttp.ClientSession(connector=connector) as session, session.get(f"http://jwks/{name}") as response:
        return response.status, await response.text()


async def test_a_key_set_of_an_object_is_served_as_it_is(tmp_path: Path) -> None:
    one = Issuer("https://id.test", keys=json.dumps(KEYS))
    async with served(tmp_path, one) as sets:
        assert await read(tmp_path, one.keys_name) == (200, json.dumps(KEYS))
        assert (await read(tmp_path, "other"))[0] == 503
        sets.require(())
        assert (await read(tmp_path, one.keys_name))[0] == 503


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (500, "{}", "the answer is 500"),
        (302, "", "redirects are not followed"),
        (200, "[]", "no key set"),
        (200, '{"keys": []}', "no key set"),
        (200, json.dumps({"keys": ["x" * key_sets.MOST_BYTES]}), "more than"),
    ],
)
async def test_an_answer_that_is_no_key_set_is_refused(tmp_path: Path, status: int, body: str, problem: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={"Location": "http://127.0.0.1/"})

    async with fetching(tmp_path, answer) as session:
        with pytest.raises(KeySetError, match=problem):
            await key_sets.fetched(session, "http://id.test/keys")


async def test_a_key_set_is_fetched_with_the_time_for_which_it_is_fresh(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(KEYS, headers={"Cache-Control": "public, max-age=600"})

    async with fetching(tmp_path, answer) as session:
        assert await key_sets.fetched(session, "http://id.test/keys") == (json.dumps(KEYS), 600.0)


@contextlib.asynccontextmanager
async def fetching(folder: Path, answer: Any) -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application()
    app.router.add_get("/keys", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "issuer")).start()
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(folder / "issuer"))) as session:
            yield session
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("value", [("max-age=1", 30.0), ("max-age=999999", 3600.0), ("no-store", 300.0), ("", 300.0)])
def test_freshness_has_bounds(value: tuple[str, float]) -> None:
    assert key_sets.fresh_seconds({"Cache-Control": value[0]}) == value[1]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "169.254.169.254", "[::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_ghsa_5ph6_qq5x_7jwc_a_url_does_not_lead_to_the_node_itself(host: str) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(KeySetError, match="an address of the node"):
            await key_sets.fetched(session, f"http://{host}:9901/keys")


async def test_a_name_does_not_lead_to_the_node_itself() -> None:
    resolver = key_sets._OutsideResolver(Resolver("127.0.0.1"))
    with pytest.raises(KeySetError, match="an address of the node"):
        await resolver.resolve("id.test")


async def test_a_key_set_that_cannot_be_fetched_again_is_not_used_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = KeySets(str(tmp_path / "keys"))
    one = Issuer("https://id.test", keys_url="https://id.test/keys")
    sets.require((one,))
    assert sets.key_set(one.keys_name) is None
    sets._fetched[one.keys_name] = (json.dumps(KEYS), time.monotonic())
    assert sets.key_set(one.keys_name) == json.dumps(KEYS)
    monkeypatch.setattr(key_sets, "KEPT_SECONDS", 0.0)
    assert sets.key_set(one.keys_name) is None


async def test_an_issuer_is_known_by_an_authority_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority.create()
    write(tmp_path, "authority", authority.pair)
    write(tmp_path, "issuer", authority.server(names=["id.test"], addresses=()))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.crt"))
    monkeypatch.setattr(key_sets, "_refuse_own_address", lambda _: None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "issuer.crt", tmp_path / "issuer.key")
    async with issuing(context) as port:
        known = Issuer("https://id.test", keys_url=f"https://id.test:{port}/keys")
        other = Issuer("https://other.test", keys_url=f"https://other.test:{port}/keys")
        async with served(tmp_path, known, other, resolver=Resolver("127.0.0.1")) as sets, asyncio.timeout(30):
            while sets.key_set(known.keys_name) is None:  # noqa: ASYNC110 - a key set has no event
                await asyncio.sleep(0.01)
            assert sets.key_set(known.keys_name) == json.dumps(KEYS)
            assert sets.key_set(other.keys_name) is None


@contextlib.asynccontextmanager
async def issuing(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(KEYS)

    app = web.Application()
    app.router.add_get("/keys", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
