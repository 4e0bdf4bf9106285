"""Two processes of `podwire controller`: one writes, another takes over after kill -9, and they never both lead."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from podwire.controllers.cluster_program import LEASE
from podwire.kube.client import Client
from podwire.kube.coordination import LeaseSpec
from podwire.kube.kinds import LEASES, NODES
from podwire.kube.leader_election import JITTER
from podwire.kube.leases import Timing
from podwire.kube.meta import NamespacedName
from tests.agent.test_program import eventually, page
from tests.controllers.test_cluster_program import authorised, controller, ranges
from tests.sandbox import sandboxed

TAKEOVER_SECONDS = Timing().duration + Timing().retry * JITTER
ALLOWANCE_SECONDS = 8.0
"""For a busy machine: the first calls of a process that leads take their time."""


async def lease(client: Client) -> LeaseSpec:
    return (await client.get(LEASES, NamespacedName("kube-system", LEASE))).spec


async def follows(port: int) -> bool:
    return "podwire_controller_leading 0" in (await page(f"{port}/metrics"))[1]


async def added(client: Client, name: str) -> tuple[str, ...]:
    """The ranges that a new Node gets."""
    await client.create(NODES, {"metadata": {"name": name}})
    return await ranges(client, name)


@pytest.mark.long
@sandboxed
async def test_another_process_takes_over_after_kill_9_and_keeps_the_lead(tmp_path: Path) -> None:
    async with authorised(tmp_path) as (cluster, client), controller(cluster, 10246) as first:
        await eventually("10246/metrics", 200, "podwire_controller_leading 1")
        async with controller(cluster, 10247):
            await eventually("10247/readyz", 200)
            assert await added(client, "a") == ("10.244.0.0/24", "fd00:10:244::/64")
            before = await lease(client)
            assert (before.holder_identity, await follows(10247)) == ("controller-10246", True)
            first.kill()
            async with asyncio.timeout(TAKEOVER_SECONDS + ALLOWANCE_SECONDS):
                assert await added(client, "b") == ("10.244.1.0/24", "fd00:10:244:1::/64")
            async with controller(cluster, 10246):
                await eventually("10246/readyz", 200)
                assert await added(client, "c") == ("10.244.2.0/24", "fd00:10:244:2::/64")
                after = await lease(client)
                assert await follows(10246)
    assert after.holder_identity == "controller-10247"
    assert after.lease_transitions == before.lease_transitions + 1, "the one that came back did not take it again"


@pytest.mark.long
@sandboxed
async def test_a_leader_that_was_stopped_for_too_long_leads_no_more(tmp_path: Path) -> None:
    async with authorised(tmp_path) as (cluster, client), controller(cluster, 10246) as first:
        await eventually("10246/metrics", 200, "podwire_controller_leading 1")
        async with controller(cluster, 10247):
            await eventually("10247/readyz", 200)
            first.send_signal(signal.SIGSTOP)
            async with asyncio.timeout(TAKEOVER_SECONDS + ALLOWANCE_SECONDS):
                assert await added(client, "a") == ("10.244.0.0/24", "fd00:10:244::/64")
            first.send_signal(signal.SIGCONT)
            await eventually("10246/metrics", 200, "podwire_controller_leading 0")
            assert await added(client, "b") == ("10.244.1.0/24", "fd00:10:244:1::/64")
            assert (await lease(client)).holder_identity == "controller-10247"
