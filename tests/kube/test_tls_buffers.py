from asyncio.sslproto import SSLProtocol

import pytest

from podwire.apiserver.main import running
from podwire.kube import tls_buffers
from podwire.kube.client import Client
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.meta import NamespacedName
from tests.apiserver.conftest import Files, configuration, free_listener


async def test_what_is_larger_than_the_buffers_goes_both_ways(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SSLProtocol, "max_size", SSLProtocol.max_size)
    tls_buffers.shrink()
    assert SSLProtocol.max_size == tls_buffers.BYTES
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,))):
        proof = files.credentials(f"https://127.0.0.1:{listener.getsockname()[1]}")
        async with Client(proof) as client:
            text = "x" * 1_000_000
            await client.create(CONFIG_MAPS, {"metadata": {"name": "large"}, "data": {"text": text}}, "default")
            assert (await client.get(CONFIG_MAPS, NamespacedName("default", "large"))).data["text"] == text
