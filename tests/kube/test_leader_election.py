"""Candidates against a server of one Lease that can refuse to answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from podwire.kube.client import Client
from podwire.kube.leader_election import LeaderElector
from podwire.kube.leases import Timing
from podwire.kube.meta import NamespacedName
from tests.kube.fake_server import connected

LEASE = NamespacedName("kube-system", "gateway")
QUICK = Timing(duration=1.0, deadline=0.2, retry=0.02)


class Leases:
    """The server's side."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] | None = None
        self.version = 0
        self.away = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.away:
            return self._refused(503, "ServiceUnavailable")
        if request.method == "GET":
            return self._lease() if self.spec is not None else self._refused(404, "NotFound")
        body = await request.json()
        if request.method == "POST" and self.spec is not None:
            return self._refused(409, "AlreadyExists")
        if request.method == "PATCH" and body["metadata"]["resourceVersion"] != str(self.version):
            return self._refused(409, "Conflict")
        self.version += 1
        self.spec = {name: value for name, value in body["spec"].items() if value is not None}
        return self._lease()

    def _lease(self) -> web.Response:
        return web.json_response(
            {"metadata": {"name": "gateway", "resourceVersion": str(self.version)}, "spec": self.spec}
        )

    def _refused(self, code: int, reason: str) -> web.Response:
        return web.json_response({"reason": reason, "message": reason}, status=code)


class Candidate:
    """One process: `working` is set while it acts."""

    def __init__(self, client: Client, name: str) -> None:
        self.elector = LeaderElector(client, LEASE, name, QUICK)
        self.working = asyncio.Event()
        self.lost = asyncio.Event()
        self.task = asyncio.create_task(self.elector.run(self._work, self.lost.set))

    async def _work(self) -> None:
        self.working.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.working.clear()

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@asynccontextmanager
async def leases() -> AsyncIterator[tuple[Leases, Client]]:
    server = Leases()
    async with connected(server.handle) as client, asyncio.timeout(60):
        yield server, client


async def test_one_works_and_the_next_one_takes_over_when_it_ends() -> None:
    async with leases() as (server, client):
        first = Candidate(client, "a")
        await first.working.wait()
        second = Candidate(client, "b")
        assert first.elector.leading
        await first.end()
        await second.working.wait()
        assert not first.working.is_set()
        await second.end()
        assert server.spec is not None
        assert "holderIdentity" not in server.spec


async def test_work_is_cancelled_when_leadership_is_lost_and_begins_again_later() -> None:
    async with leases() as (server, client):
        candidate = Candidate(client, "a")
        await candidate.working.wait()
        server.away = True
        await candidate.lost.wait()
        assert not candidate.working.is_set()
        assert not candidate.elector.leading
        server.away = False
        await candidate.working.wait()
        await candidate.end()


async def test_a_leader_stops_when_another_one_took_the_lease() -> None:
    async with leases() as (server, client):
        candidate = Candidate(client, "a")
        await candidate.working.wait()
        server.spec = {"holderIdentity": "b", "leaseDurationSeconds": 15}
        server.version += 1
        await candidate.lost.wait()
        assert not candidate.working.is_set()
        await candidate.end()
        assert server.spec["holderIdentity"] == "b"


async def test_work_that_ends_by_itself_ends_the_election_and_releases() -> None:
    async with leases() as (server, client):
        await LeaderElector(client, LEASE, "a", QUICK).run(lambda: asyncio.sleep(0))
        assert server.spec is not None
        assert "holderIdentity" not in server.spec
