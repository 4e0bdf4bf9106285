"""What policies forbid stays forbidden while the agent dies, starts again, and the API server is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podwire.kube.kinds import NETWORK_POLICIES, PODS
from podwire.pods.runtime.installation import install
from tests.agent.test_api_away import CONTAINER, FOLDER, PLUGIN, RANGES, cni, kept_on_disk, populate, uplink
from tests.agent.test_first_packet import ADMITTED, FORBIDDEN, GAP_SECONDS, POLICY, bare_host, ports_of, received
from tests.agent.test_program import Cluster, eventually, program
from tests.sandbox import Host, sandboxed

ENOUGH = 20
"""Admitted packets in each direction while something is as it is: as many forbidden ones were sent."""


class Pair:
    """A pod without policies and one that is closed but for one port, which send to each other all the time."""

    def __init__(self, free: Host, closed: Host, addresses: tuple[str, str]) -> None:
        """`addresses` of the one, and of the other."""
        self._ends = ports_of(free), ports_of(closed)
        self._addresses = addresses
        self.passed = 0
        self.leaks = 0

    async def send(self, count: int = ENOUGH) -> None:
        """Send until so many admitted packets have passed both ways."""
        free, closed = self._ends
        sent = got = 0
        async with asyncio.timeout(60):
            while min(sent, got) < count:
                for port in (FORBIDDEN, ADMITTED):
                    free[port].sendto(b"free", (self._addresses[1], port))
                    closed[port].sendto(b"closed", (self._addresses[0], port))
                await asyncio.sleep(GAP_SECONDS)
                sent += len(received(free[ADMITTED]))
                got += len(received(closed[ADMITTED]))
                self.leaks += len(received(free[FORBIDDEN])) + len(received(closed[FORBIDDEN]))
        self.passed += 1

    @contextlib.asynccontextmanager
    async def all_the_time(self) -> AsyncIterator[None]:
        """Send while the block runs."""

        async def work() -> None:
            while True:
                await self.send()

        sending = asyncio.create_task(work())
        try:
            yield
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending


@pytest.mark.long
@sandboxed
async def test_nothing_opens_while_agents_die_and_the_server_is_away(tmp_path: Path) -> None:
    uplink()
    install(PLUGIN)
    cluster = Cluster(tmp_path, "podwire:agent")
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--state-dir", str(FOLDER), *RANGES)
    async with contextlib.AsyncExitStack() as stack:
        async with cluster.on() as client:
            await cluster.bind(client)
            await cluster.new_token(client)
            uid = await populate(client)
            await client.create(NETWORK_POLICIES, POLICY, "shop")
            body = {
                "metadata": {"name": "closed", "labels": {"closed": "yes"}},
                "spec": {"nodeName": "a", "containers": [CONTAINER]},
            }
            closed_uid = (await client.create(PODS, body, "shop")).metadata.uid
            agent = await stack.enter_async_context(program("agent", *arguments, NODE_NAME="a"))
            await eventually("10249/readyz", 200)
            open_, closed = Host("web"), bare_host("closed")
            address = (await added(open_, uid), await added(closed, closed_uid))
            pair = Pair(open_, closed, address)
            await kept_on_disk("closed", "web")
            async with pair.all_the_time():
                for _ in range(3):
                    agent.kill()
                    await agent.wait()
                    await pair.send()
                    agent = await stack.enter_async_context(program("agent", *arguments, NODE_NAME="a"))
                    await eventually("10249/readyz", 200)
                    await pair.send()
        async with pair.all_the_time():
            await pair.send()
            agent.kill()
            await agent.wait()
            await stack.enter_async_context(program("agent", *arguments, NODE_NAME="a"))
            await eventually("10249/readyz", 503, "cannot be followed: 127.0.0.1:")
            await pair.send()
    assert pair.passed >= 8
    assert pair.leaks == 0


async def added(host: Host, uid: str) -> str:
    """Give a pod its network; return its address."""
    status, result = await cni("ADD", host, uid)
    assert status == 0, result
    return str(result["ips"][0]["address"].partition("/")[0])
