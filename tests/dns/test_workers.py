"""Workers: every process of a port answers alike, as fresh as the first one, and what they answered is counted."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Sequence
from pathlib import Path

import aiohttp
import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from podwire.dns.config import DnsConfig
from podwire.dns.listen import NO_CLIENT as NOBODY_ELSE
from podwire.dns.listen import Peer
from podwire.dns.message import servfail
from podwire.dns.ready_answers import ReadyAnswers
from podwire.dns.server import Server
from podwire.dns.workers import WorkerLostError, Workers
from tests.dns.fake_api import FakeApi, PlainClient
from tests.dns.test_server import NO_CLIENT, WEB, eventually, ready
from tests.dns.zones import endpoint, found, service, slice_of
from tests.sandbox import sandboxed

HERE = "127.0.0.1"
CLIENTS = 24
"""Each from a port of its own: by chance none of three processes is left out."""


async def everywhere(name: str) -> set[str]:
    """What the processes answer: each client gets one of them."""
    query = dns.message.make_query(name, "A")
    answers = await asyncio.gather(*(dns.asyncquery.udp(query, HERE, timeout=30) for _ in range(CLIENTS)))
    return {data for answer in answers for data in found(answer) or {dns.rcode.to_text(answer.rcode())}}


async def counted() -> int:
    async with aiohttp.ClientSession() as session, session.get(f"http://{HERE}:9153/metrics") as response:
        text = await response.text()
    line = next(one for one in text.splitlines() if one.startswith('coredns_dns_requests_total{proto="udp"}'))
    return int(line.split()[-1])


@sandboxed
def test_all_workers_answer_alike_and_a_change_is_answered_by_all() -> None:
    workers = Workers(2, (HERE,))

    async def scenario() -> None:
        api = FakeApi()
        api.open.set()
        api.put(service("web", "None"), slice_of("web", endpoint("10.244.1.2")))
        async with api.serve() as url, PlainClient(url) as client:
            config = DnsConfig(NO_CLIENT, addresses=(HERE,), workers=3)
            task = asyncio.create_task(Server(client, config, workers).run())
            await eventually(ready)
            for number in range(2, 8):
                address = f"10.244.1.{number}"
                api.put(slice_of("web", endpoint(address)))

                async def changed(address: str = address) -> bool:
                    return await everywhere(WEB) == {address}

                await eventually(changed)
                assert await everywhere(WEB) == {address}, "nobody goes back"
                assert await everywhere("none.shop.svc.cluster.local") == {"NXDOMAIN"}

            async def all_counted() -> bool:
                return await counted() >= 6 * 2 * CLIENTS

            await eventually(all_counted)
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(scenario())


class Broken:
    """A first process that fails: at once for A questions, later for all others."""

    async def _later(self, raw: bytes) -> bytes:
        raise RuntimeError(raw)

    def ready(self, raws: Sequence[bytes], now: float) -> list[bytes | None]:  # noqa: ARG002
        return [None] * len(raws)

    def answer(self, raw: bytes, *, stream: bool, client: Peer = NOBODY_ELSE) -> bytes | Awaitable[bytes]:  # noqa: ARG002
        if dns.message.from_wire(raw).question[0].rdtype == dns.rdatatype.A:
            raise RuntimeError(raw)
        return self._later(raw)

    def failed(self, raw: bytes) -> bytes | None:
        return servfail(raw)


@sandboxed
def test_a_failure_of_the_first_process_is_an_answer_of_the_worker() -> None:
    workers = Workers(1, (HERE,))

    async def scenario() -> None:
        task = asyncio.create_task(workers.serve({53: Broken()}, ReadyAnswers()))
        workers.listen((53,))
        for kind in ("A", "AAAA"):
            answer = await patient(dns.message.make_query(WEB, kind))
            assert answer.rcode() == dns.rcode.SERVFAIL
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scenario())


async def patient(query: dns.message.Message) -> dns.message.Message:
    """The answer of a server that may not listen yet."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(OSError, dns.exception.Timeout):
                return await dns.asyncquery.udp(query, HERE, timeout=3)


@sandboxed
def test_the_server_ends_where_a_worker_does() -> None:
    workers = Workers(1, (HERE,))
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert len(children) == 1

    async def scenario() -> None:
        task = asyncio.create_task(workers.serve({}, ReadyAnswers()))
        os.kill(int(children[0]), signal.SIGKILL)
        with pytest.RaisesGroup(WorkerLostError):
            await asyncio.wait_for(task, 60)

    asyncio.run(scenario())
