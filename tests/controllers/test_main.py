"""All controllers against the real API server, driven with the real kubectl."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from podwire.controllers.balancers.pools import BalancerPools
from podwire.controllers.main import ControllersConfig, run
from podwire.kernel.transports import has_sctp
from podwire.kube.client import ApiError, Client
from podwire.kube.core import Pod
from podwire.kube.informer import Informer
from podwire.kube.kinds import NODES, PODS
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from tests.apiserver.conftest import Served
from tests.controllers.build import READY, node_fields

POOLS = BalancerPools(public=("172.18.254.0/30", "fd00:172:18::fe:0/112"))
SHOP = Path(__file__).parents[2] / "examples" / "shop"


class Runtime:
    """Nodes that pretend: a bound pod is ready at once, an ending one is gone at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers = itertools.count(1)
        self._changed: asyncio.Queue[Pod] = asyncio.Queue()

    async def run(self) -> None:
        informer = Informer(self._client, PODS)
        informer.subscribe(self._hear)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(informer.run())
            while True:
                pod = await self._changed.get()
                with contextlib.suppress(ApiError):
                    await self._serve(pod)

    def _hear(self, change: Change[Pod]) -> None:
        if change.new is not None:
            self._changed.put_nowait(change.new)

    async def _serve(self, pod: Pod) -> None:
        if pod.metadata.deletion_timestamp is not None:
            await self._client.delete(PODS, pod.key, uid=pod.metadata.uid, grace_seconds=0)
        elif pod.spec.node_name and not pod.ready:
            number = next(self._numbers)
            address = f"10.244.{number // 250}.{number % 250 + 1}"
            status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [READY]}
            await self._client.patch(PODS, pod.key, {"status": status}, "status")


@contextlib.asynccontextmanager
async def working(*loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the loops until the block ends; none may end before."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    yield
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results), results


@pytest.fixture
async def world(served: Served) -> AsyncIterator[Served]:
    async with Client(served.credentials) as client:
        for name in ("node-1", "node-2"):
            fields = node_fields(name)
            await client.create(NODES, fields)
            await client.patch(NODES, NamespacedName("", name), {"status": fields["status"]}, "status")
        async with working(Runtime(client).run(), controllers(served)):
            yield served


def controllers(served: Served) -> Coroutine[Any, Any, None]:
    return run(ControllersConfig(served.credentials, balancer_pools=POOLS))


async def found(world: Served, *arguments: str) -> list[dict[str, Any]]:
    """The items that kubectl gets."""
    items: list[dict[str, Any]] = json.loads(await world.kubectl("get", *arguments, "-o", "json"))["items"]
    return items


async def deploy(world: Served, name: str, replicas: int = 1) -> None:
    """Apply a Deployment and wait until it is rolled out."""
    shape = ("--image=nginx:1", f"--replicas={replicas}", "--dry-run=client", "-o", "yaml")
    manifest = await world.kubectl("create", "deployment", name, *shape)
    await world.kubectl("apply", "-f", "-", stdin=manifest)
    await world.kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")


async def test_the_shop_becomes_available_spread_and_reachable(world: Served) -> None:
    await world.kubectl("apply", "-f", str(SHOP))
    await world.kubectl("wait", "deployment", "--all", "-A", "--for=condition=Available", "--timeout=20s")
    backends = await found(world, "pods", "-n", "shop", "-l", "app=backend")
    assert Counter(pod["spec"]["nodeName"] for pod in backends) in (
        {"node-1": 2, "node-2": 1},
        {"node-1": 1, "node-2": 2},
    )
    slices = await found(world, "endpointslices", "-n", "shop", "-l", "kubernetes.io/service-name=backend")
    (four,) = [item for item in slices if item["addressType"] == "IPv4"]
    addresses = {endpoint["addresses"][0] for endpoint in four["endpoints"]}
    assert addresses == {pod["status"]["podIP"] for pod in backends}
    assert {port["name"]: port["port"] for port in four["ports"]} == {"http": 8080, "metrics": 9090}
    described = await world.kubectl("describe", "service", "backend", "-n", "shop")
    assert all(address in described for address in addresses)
    await world.kubectl("delete", "namespace", "shop", "--timeout=20s")
    assert await found(world, "pods", "-n", "shop") == []
    assert len(await found(world, "pods", "-n", "visitors")) == 1


async def test_a_deployment_rolls_out_scales_and_goes_back(world: Served) -> None:
    await deploy(world, "web", replicas=3)
    await world.kubectl("set", "image", "deployment/web", "nginx=nginx:2")
    await world.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    await world.kubectl("rollout", "undo", "deployment/web")
    await world.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    await world.kubectl("scale", "deployment/web", "--replicas=5")
    await world.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    await world.kubectl("wait", "pods", "-l", "app=web", "--for=condition=Ready", "--timeout=20s")
    pods = await found(world, "pods", "-l", "app=web")
    assert [pod["spec"]["containers"][0]["image"] for pod in pods] == ["nginx:1"] * 5
    history = await world.kubectl("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["2", "3"]
    described = str(await world.kubectl("describe", "deployment", "web"))
    (scaling,) = [line for line in described.splitlines() if "from 0 to 3" in line]
    assert scaling.split()[:2] == ["Normal", "ScalingReplicaSet"]
    assert "deployment-controller" in scaling.split()


@pytest.mark.long
async def test_dependents_of_a_deployment_are_deleted_with_it_unless_orphaned(world: Served) -> None:
    for name in ("web", "kept"):
        await deploy(world, name)
    await world.kubectl("delete", "deployment", "kept", "--cascade=orphan")
    await world.kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout=20s")
    assert [item["metadata"]["labels"]["app"] for item in await found(world, "replicasets")] == ["kept"]
    assert [item["metadata"]["labels"]["app"] for item in await found(world, "pods")] == ["kept"]


@pytest.mark.long
async def test_a_pod_that_no_node_takes_says_why(world: Served) -> None:
    await world.kubectl("cordon", "node-1")
    await world.kubectl("cordon", "node-2")
    await world.kubectl("run", "lonely", "--image=nginx:1")
    await world.kubectl(
        "wait", "pod/lonely", "--for=jsonpath={.status.conditions[0].reason}=Unschedulable", "--timeout=20s"
    )
    assert "2 node(s) were unschedulable" in await world.kubectl("describe", "pod", "lonely")
    await world.kubectl("uncordon", "node-2")
    await world.kubectl("wait", "pod/lonely", "--for=condition=Ready", "--timeout=20s")
    (pod,) = await found(world, "pods")
    assert pod["spec"]["nodeName"] == "node-2"


async def external_ip(world: Served, name: str, expected: str) -> None:
    """Wait for the addresses of the status, and see that kubectl shows them as EXTERNAL-IP."""
    for index, address in enumerate(expected.split(",")):
        condition = f"--for=jsonpath={{.status.loadBalancer.ingress[{index}].ip}}={address}"
        await world.kubectl("wait", f"service/{name}", condition, "--timeout=20s")
    line = await world.kubectl("get", "service", name, "--no-headers")
    assert line.split()[3] == expected


async def test_a_load_balancer_has_an_external_ip_until_it_is_deleted(world: Served) -> None:
    await world.kubectl("create", "service", "loadbalancer", "web", "--tcp=80")
    await external_ip(world, "web", "172.18.254.1")
    ingress = "jsonpath={.status.loadBalancer.ingress}"
    assert json.loads(await world.kubectl("get", "service", "web", "-o", ingress)) == [
        {"ip": "172.18.254.1", "ipMode": "VIP"}
    ]
    both = {"spec": {"ipFamilyPolicy": "RequireDualStack"}}
    await world.kubectl("patch", "service", "web", "-p", json.dumps(both))
    await external_ip(world, "web", "172.18.254.1,fd00:172:18::fe:1")
    for name in ("second", "third"):
        await world.kubectl("create", "service", "loadbalancer", name, "--tcp=80")
    await external_ip(world, "second", "172.18.254.2")
    assert "<pending>" in await world.kubectl("get", "service", "third")
    await world.kubectl("patch", "service", "web", "-p", json.dumps({"spec": {"type": "ClusterIP"}}))
    await external_ip(world, "third", "172.18.254.1")
    assert "<none>" in await world.kubectl("get", "service", "web")
    described = await world.kubectl("describe", "service", "third")
    assert "no IPv4 address is left in the public pool (172.18.254.0/30, fd00:172:18::fe:0/112)" in described
    await world.kubectl("delete", "service", "second", "third", "--timeout=20s")
    await world.kubectl("patch", "service", "web", "-p", json.dumps({"spec": {"type": "LoadBalancer"}}))
    await external_ip(world, "web", "172.18.254.1,fd00:172:18::fe:1")


@pytest.mark.long
async def test_a_restart_of_the_controllers_keeps_external_ips(served: Served) -> None:
    async with working(controllers(served)):
        for name, address in (("z", "172.18.254.1"), ("a", "172.18.254.2")):
            await served.kubectl("create", "service", "loadbalancer", name, "--tcp=80")
            await external_ip(served, name, address)
        await served.kubectl("patch", "service", "z", "-p", json.dumps({"spec": {"loadBalancerIP": "192.0.2.1"}}))
    await served.kubectl("delete", "service", "z", "--wait=false")
    await served.kubectl("create", "service", "loadbalancer", "b", "--tcp=80")
    async with working(controllers(served)):
        await external_ip(served, "b", "172.18.254.1")
        await external_ip(served, "a", "172.18.254.2")
        assert "z " not in await served.kubectl("get", "services", "--no-headers")


@pytest.mark.skipif(has_sctp(), reason="this kernel has SCTP")
async def test_a_service_of_sctp_has_a_condition_where_the_kernel_lacks_it(world: Served) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "media"},
        "spec": {"ports": [{"port": 5000, "protocol": "SCTP"}]},
    }
    await world.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    condition = "--for=condition=podwire.dev/ProtocolsSupported=False"
    await world.kubectl("wait", "service/media", condition, "--timeout=20s")
