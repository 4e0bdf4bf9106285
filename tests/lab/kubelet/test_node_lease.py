from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Mapping
from types import TracebackType

import pytest

from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import LEASES
from podwire.kube.meta import NamespacedName
from podwire.lab.kubelet import node_lease
from podwire.lab.kubelet.node_lease import LeaseThread, NodeLease
from tests.kube.fake_api import FakeApi

DEADLINE = 60.0


class Server(Client):
    """Counts renewals, from any thread."""

    def __init__(self) -> None:
        super().__init__(Credentials("", "", "", ""))
        self.renewals = threading.Semaphore(0)
        self.threads: set[str] = set()
        self.open = False

    async def __aenter__(self) -> Client:
        self.open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open = False

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        del method, path, parameters, content_type
        self.threads.add(threading.current_thread().name)
        self.renewals.release()
        return body or b"{}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RENEW_SECONDS", "RETRY_SECONDS", "PROGRESS_SECONDS"):
        monkeypatch.setattr(node_lease, name, 0.01)


@contextlib.asynccontextmanager
async def at_work(server: Server) -> AsyncIterator[None]:
    task = asyncio.create_task(LeaseThread(server, "node-1").run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_lease_is_created_renewed_and_made_again() -> None:
    api = FakeApi()
    task = asyncio.create_task(NodeLease(api, "node-1").run())
    await api.until(lambda: api.calls["PATCH", "leases"] > 2)
    (lease,) = api.all(LEASES)
    assert (lease["metadata"]["namespace"], lease["spec"]["holderIdentity"]) == ("kube-node-lease", "node-1")
    api.remove(LEASES, NamespacedName("kube-node-lease", "node-1"))
    await api.until(lambda: len(api.all(LEASES)) == 1)
    task.cancel()


async def test_it_is_renewed_while_the_event_loop_is_busy() -> None:
    server = Server()
    async with at_work(server):
        await asyncio.sleep(0)
        for _ in range(3):
            assert server.renewals.acquire(timeout=DEADLINE), "this blocks the loop"
        assert server.threads == {"node-lease"}
    assert not server.open
    assert "node-lease" not in {thread.name for thread in threading.enumerate()}


async def test_a_loop_that_hangs_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_lease, "HUNG_SECONDS", 0.2)
    server = Server()
    async with at_work(server):
        await asyncio.sleep(0)
        assert server.renewals.acquire(timeout=DEADLINE)
        while server.renewals.acquire(timeout=0.5):
            pass
        assert await asyncio.to_thread(server.renewals.acquire, timeout=DEADLINE), "it continues with the loop"


class Broken(Server):
    """Cannot be opened."""

    async def __aenter__(self) -> Client:
        raise OSError("no credentials")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_failed_ends_the_kubelet() -> None:
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(RuntimeError, match="renews the node's Lease has failed"):
            await LeaseThread(Broken(), "node-1").run()
