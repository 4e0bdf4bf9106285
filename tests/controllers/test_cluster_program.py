"""`podwire controller` as processes, with a token that may do no more than its ClusterRole."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from podwire.component import permissions
from podwire.kube.client import Client
from podwire.kube.kinds import LEASES, NODES, SERVICES, Kind
from podwire.kube.meta import NamespacedName, Object
from tests.agent.test_program import Cluster, ended, eventually, page, program
from tests.sandbox import sandboxed

ROLES = Kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", Object, namespaced=False)
POOLS = ("--pod-pool", "10.244.0.0/16,fd00:10:244::/56", "--lb-pool", "198.51.100.0/24")


@contextlib.asynccontextmanager
async def authorised(folder: Path) -> AsyncIterator[tuple[Cluster, Client]]:
    """A cluster with a token that has the ClusterRole of the table, as a manifest would make it."""
    cluster = Cluster(folder, permissions.CONTROLLER)
    found = next(permissions.objects({permissions.CONTROLLER: permissions.account("kube-system", "podwire")}))
    async with cluster.on() as client:
        await client.create(ROLES, {"metadata": found["metadata"], "rules": found["rules"]})
        await cluster.bind(client)
        await cluster.new_token(client)
        yield cluster, client


def controller(cluster: Cluster, port: int) -> Any:
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--log-format", "json")
    address = ("--bind-address", f"127.0.0.1:{port}")
    return program("controller", *arguments, *address, *POOLS, POD_NAME=f"controller-{port}")


async def first_error(process: asyncio.subprocess.Process) -> str:
    """The message of the first error that a process logs."""
    assert process.stderr is not None
    async with asyncio.timeout(60):
        async for text in process.stderr:
            line = json.loads(text)
            if line["level"] == "error":
                return str(line["msg"])
    raise AssertionError("it ended without an error in its log")


async def ranges(client: Client, name: str) -> tuple[str, ...]:
    """The ranges of a node, as soon as it has some."""
    async with asyncio.timeout(60):
        while not (found := await client.get(NODES, NamespacedName("", name))).spec.pod_cidrs:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return found.spec.pod_cidrs


@sandboxed
async def test_one_of_two_controllers_works_and_the_other_takes_over(tmp_path: Path) -> None:
    async with authorised(tmp_path) as (cluster, client):
        await client.create(NODES, {"metadata": {"name": "a"}})
        async with controller(cluster, 10246) as first:
            assert await ranges(client, "a") == ("10.244.0.0/24", "fd00:10:244::/64")
            await eventually("10246/metrics", 200, "podwire_controller_leading 1")
            await eventually("10246/metrics", 200, 'podwire_controller_free_pod_ranges{range="10.244.0.0/16"} 255')
            async with controller(cluster, 10247) as second:
                await eventually("10247/readyz", 200)
                assert "podwire_controller_leading 0" in (await page("10247/metrics"))[1]
                await served(client)
                status, log = await ended(first)
                assert (status, [line for line in log if line["level"] == "error"]) == (0, [])
                await client.create(NODES, {"metadata": {"name": "b"}})
                assert await ranges(client, "b") == ("10.244.1.0/24", "fd00:10:244:1::/64")
                lease = await client.get(LEASES, NamespacedName("kube-system", "podwire-controller"))
                assert lease.spec.holder_identity == "controller-10247"
                status, log = await ended(second)
    assert (status, [line for line in log if line["level"] == "error"]) == (0, [])


async def served(client: Client) -> None:
    """A Service of type LoadBalancer gets an address, and its deletion is not held up."""
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    await client.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec}, "default")
    key = NamespacedName("default", "web")
    async with asyncio.timeout(60):
        while not (found := await client.get(SERVICES, key)).status.load_balancer.ingress:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert [entry.ip for entry in found.status.load_balancer.ingress] == ["198.51.100.1"]
        await client.delete(SERVICES, key)
        while any(item.key == key for item in (await client.list(SERVICES)).items):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@sandboxed
async def test_a_controller_without_its_role_says_so(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, permissions.CONTROLLER)
    async with cluster.on() as client:
        await cluster.new_token(client)
        async with controller(cluster, 10246) as process:
            remedy = "ClusterRole podwire:controller must allow get, create and patch of leases.coordination.k8s.io"
            await eventually("10246/readyz", 503, remedy)
            assert remedy in await first_error(process)
            status, _ = await ended(process)
    assert status == 0
