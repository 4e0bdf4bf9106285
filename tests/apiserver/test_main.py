"""The server as a whole: what a failed start leaves behind."""

import os
import socket
from pathlib import Path

import pytest

from podwire.apiserver.main import running
from podwire.apiserver.storage.store import Store
from tests.apiserver.conftest import Files, configuration, free_listener


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("missing", ["server.key", "ca.crt"])
async def test_a_server_that_cannot_be_made_leaves_nothing_open(files: Files, tmp_path: Path, missing: str) -> None:
    (files.folder / missing).rename(files.folder / "gone")
    store, audit, listener = tmp_path / "store.db", tmp_path / "audit.log", free_listener()
    before = descriptors()
    with pytest.raises(OSError, match="No such file"):
        async with running(configuration(files, str(store), audit_file=str(audit), sockets=(listener,))):
            pass
    assert descriptors() == before - 1, "the listener is closed too"
    assert listener.fileno() == -1
    await Store(str(store)).close()


async def test_a_server_whose_address_is_taken_leaves_nothing_open(files: Files, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        store = tmp_path / "store.db"
        with pytest.raises(OSError, match="in use"):
            async with running(configuration(files, str(store), listen=(taken.getsockname(),))):
                pass
        await Store(str(store)).close()
