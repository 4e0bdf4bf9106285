"""Connections of one client to an API server resume the session of the first."""

import asyncio
import ssl
import weakref
from pathlib import Path

import pytest

from podwire.apiserver.http import tls_transport
from podwire.apiserver.http.tls_transport import TlsTransport
from podwire.apiserver.main import running
from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import Credentials
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS, PODS, SECRETS, SERVICES
from podwire.kube.resumed_tls import ResumedContext
from tests.apiserver.conftest import configuration, free_listener, write_files


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each connection to the server whether its session was resumed."""
    found: list[bool] = []
    original = TlsTransport.__init__

    def noted(self: TlsTransport, connection: ssl.SSLSocket, protocol: asyncio.Protocol) -> None:
        found.append(bool(connection.session_reused))
        original(self, connection, protocol)

    monkeypatch.setattr(TlsTransport, "__init__", noted)
    return found


async def watched(proof: Credentials) -> None:
    """Follow four kinds until all are known: four streams, which need a connection each."""
    async with Client(proof) as client:
        informers = [Informer(client, kind) for kind in (CONFIG_MAPS, PODS, SECRETS, SERVICES)]
        tasks = [asyncio.create_task(informer.run()) for informer in informers]
        async with asyncio.timeout(30):
            for informer in informers:
                await informer.synced.wait()
        for task in tasks:
            task.cancel()


async def test_one_handshake_of_a_client_is_a_full_one(tmp_path: Path, resumed: list[bool]) -> None:
    files = write_files(tmp_path)
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,))):
        proof = files.credentials(f"https://127.0.0.1:{listener.getsockname()[1]}")
        await watched(proof)
        assert resumed.count(False) == 1
        assert resumed.count(True) >= 3


async def test_another_client_resumes_no_session_of_this_one(tmp_path: Path, resumed: list[bool]) -> None:
    files = write_files(tmp_path)
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,))):
        proof = files.credentials(f"https://127.0.0.1:{listener.getsockname()[1]}")
        for _ in range(2):
            async with Client(proof) as client:
                await client.list(PODS)
        assert resumed == [False, False]


async def test_a_session_is_no_longer_valid_than_its_certificate(
    tmp_path: Path, resumed: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_files(tmp_path)
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,))):
        proof = files.credentials(f"https://127.0.0.1:{listener.getsockname()[1]}")
        async with Client(proof) as client:
            await asyncio.gather(*(client.list(PODS) for _ in range(3)))
            assert resumed == [False, True]
            monkeypatch.setattr(tls_transport, "_now", lambda: ssl.cert_time_to_seconds("Jan  1 00:00:00 2100 GMT"))
            found = await asyncio.gather(*(client.list(PODS) for _ in range(3)), return_exceptions=True)
    assert resumed == [False, True, True]
    assert [error.code for error in found if isinstance(error, ApiError)] == [401]


def test_a_connection_may_begin_at_any_moment_of_another_ones_handshake(tmp_path: Path) -> None:
    """OpenSSL cannot copy the session of a handshake that goes on: `i2d() failed`."""
    write_files(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    context = ResumedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tmp_path / "ca.crt")
    to_client, to_server, sent = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(to_server, sent, server_side=True)
    client = context.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    assert not done(client)
    while not (finished := done(client)):
        done(server)
        to_client.write(sent.read(64))
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="127.0.0.1")
        context._last["127.0.0.1"] = weakref.ref(client)  # the one in question, again
    assert finished


def done(end: ssl.SSLObject) -> bool:
    """Go on with a handshake; whether it has ended."""
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
