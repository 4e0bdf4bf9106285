from asyncio.sslproto import SSLProtocol
from pathlib import Path

import pytest

from podwire.apiserver.main import running
from podwire.kube import tls_buffers
from podwire.kube.client import Client
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.meta import NamespacedName
from tests.apiserver.conftest import configuration, free_listener, write_files


async def test_what_is_larger_than_the_buffers_goes_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_files(tmp_path)
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
