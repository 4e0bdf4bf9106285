"""The connection of a real Envoy to its server: certificates, their renewal, and a server that vanishes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from podwire.edge.xds.bootstrap import Bootstrap, ClientFiles, sds_files
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.server import DiscoveryServer, ServerCredentials
from podwire.pki.certificates import Authority, KeyPair
from tests.edge.xds.real_envoy import Envoy, host, listener, request, routes, until

SERVER_NAME = "xds.podwire-system.svc"


def secret_volume(folder: Path, pair: KeyPair, authority: bytes) -> None:
    """Write a certificate as kubelet does: each file is replaced by a rename."""
    folder.mkdir(exist_ok=True)
    for name, content in (("tls.key", pair.key), ("ca.crt", authority), ("tls.crt", pair.certificate)):
        fresh = folder / f".{name}"
        fresh.write_bytes(content)
        fresh.rename(folder / name)


def credentials(authority: Authority, accepted: bytes = b"") -> ServerCredentials:
    pair = authority.server([SERVER_NAME])
    return ServerCredentials(pair.certificate, pair.key, authority.pair.certificate + accepted)


@asynccontextmanager
async def serving(folder: Path, proxies: Proxies, settings: ServerCredentials | None) -> AsyncIterator[None]:
    server = DiscoveryServer(proxies, (lambda: settings) if settings else None)
    await server.start(f"unix:{folder}/xds")
    try:
        yield
    finally:
        await server.stop()


def edge(folder: Path) -> tuple[Proxies, Proxy]:
    proxies = Proxies(lambda _: None)
    resources = [listener("http", folder / "http", "t"), routes("t"), host("t", "static.test")]
    return proxies, proxies.add("edge", resources)


def everything(proxy: Proxy) -> bool:
    return bool(proxy.envoys()) and not proxy.lacking([one.key for one in proxy.snapshot])


async def test_renewed_certificates_are_used_when_envoy_connects_again(tmp_path: Path) -> None:
    old, new = Authority.create(), Authority.create()
    volume, client = tmp_path / "tls", ClientFiles(str(tmp_path / "tls"), SERVER_NAME, str(tmp_path))
    for name, text in sds_files(client).items():
        (tmp_path / name).write_text(text)
    secret_volume(volume, old.client("edge"), old.pair.certificate)
    proxies, proxy = edge(tmp_path)
    envoy = Envoy(tmp_path, Bootstrap("envoy-0", "edge", f"{tmp_path}/xds", 0, f"{tmp_path}/admin", client))
    try:
        async with serving(tmp_path, proxies, credentials(old)):
            envoy.start()
            await until(lambda: everything(proxy), "Envoy connects with its certificate")
        await until(lambda: not proxy.envoys(), "the server is stopped")
        secret_volume(volume, new.client("edge"), new.pair.certificate)
        async with serving(tmp_path, proxies, credentials(new)):
            await until(lambda: everything(proxy), "Envoy connects with the renewed certificate")
            assert (await request(tmp_path / "http", "static.test"))[0] == 200
    finally:
        envoy.kill()


async def test_an_envoy_of_another_proxy_gets_nothing(tmp_path: Path) -> None:
    authority = Authority.create()
    client = ClientFiles(str(tmp_path / "tls"), SERVER_NAME, str(tmp_path))
    for name, text in sds_files(client).items():
        (tmp_path / name).write_text(text)
    secret_volume(tmp_path / "tls", authority.client("other"), authority.pair.certificate)
    proxies, proxy = edge(tmp_path)
    envoy = Envoy(tmp_path, Bootstrap("envoy-0", "edge", f"{tmp_path}/xds", 0, f"{tmp_path}/admin", client))
    try:
        async with serving(tmp_path, proxies, credentials(authority)):
            envoy.start()
            await until(lambda: "the certificate is not of proxy edge" in envoy.log(), "Envoy is refused")
            assert proxy.envoys() == frozenset()
            assert not (tmp_path / "http").exists()
    finally:
        envoy.kill()


class Relay:
    """A network between Envoy and the server in which packets can be lost from now on."""

    def __init__(self, listening: Path, server: Path) -> None:
        self._listening, self._server_path = listening, server
        self._open = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Relay:
        self._open.set()
        self._server = await asyncio.start_unix_server(self._accept, str(self._listening))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()

    def cut(self) -> None:
        """Lose all packets of the connections that exist; new ones work."""
        self._open.clear()
        self._open = asyncio.Event()
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(str(self._server_path))
        is_open = self._open
        self._writers += [writer, there_writer]  # one that nothing refers to closes itself
        for source, target in ((reader, there_writer), (there_reader, writer)):
            self._tasks.append(asyncio.create_task(self._pump(source, target, is_open)))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                if is_open.is_set():
                    target.write(data)
            if is_open.is_set():
                target.close()


@pytest.mark.long
async def test_a_server_that_vanishes_is_replaced_in_seconds(tmp_path: Path) -> None:
    """Neither end is informed: Envoy's pings are not answered for 8 seconds, the server's for 15."""
    proxies, proxy = edge(tmp_path)
    envoy = Envoy(tmp_path, Bootstrap("envoy-0", "edge", f"{tmp_path}/relay", 0, f"{tmp_path}/admin"))
    async with serving(tmp_path, proxies, None), Relay(tmp_path / "relay", tmp_path / "xds") as relay:
        try:
            envoy.start()
            await until(lambda: everything(proxy), "Envoy connects")
            relay.cut()
            proxy.apply([host("t", "later.test")])
            await until(lambda: everything(proxy), "Envoy connects again", 60)
            assert (await request(tmp_path / "http", "later.test"))[0] == 200
            relay.cut()
            envoy.kill()
            await until(lambda: not proxy.envoys(), "the server disconnects the Envoy", 60)
        finally:
            envoy.kill()
