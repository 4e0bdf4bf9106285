"""The workloads of a node, on an API server in memory."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable

from podwire.kube.kinds import CONFIG_MAPS, NAMESPACES, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.mesh.identity.trust_objects import TRUST
from podwire.mesh.node.workload_objects import WorkloadObjects
from podwire.redirection.enrolment import ENABLED, LABEL
from tests.kube.fake_api import FakeApi

REUSED = "10.244.1.5"


def pod(api: FakeApi, name: str, address: str) -> None:
    spec = {"nodeName": "one", "serviceAccountName": name, "containers": []}
    api.put(PODS, name, "shop", spec=spec, status={"phase": "Running", "podIPs": [{"ip": address}]})


@contextlib.asynccontextmanager
async def followed(api: FakeApi, labels: dict[str, str]) -> AsyncIterator[WorkloadObjects]:
    api.put(NAMESPACES, "shop", metadata={"labels": labels})
    api.put(CONFIG_MAPS, TRUST.name, TRUST.namespace, data={})
    objects = WorkloadObjects(api, "one", "cluster.local", lambda: None)
    task = asyncio.create_task(objects.run())
    try:
        await asyncio.wait_for(objects.synced(), 60)
        yield objects
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  a watch that has been read is no event
            await asyncio.sleep(0.01)


async def test_a_freed_address_is_nobodys_until_its_old_pod_is_gone() -> None:
    api = FakeApi()
    pod(api, "old", REUSED)
    pod(api, "other", "10.244.1.6")
    async with followed(api, {LABEL: ENABLED}) as objects:
        assert not objects.workloads.doubtful
        pod(api, "new", REUSED)
        await until(lambda: bool(objects.workloads.doubtful))
        found = objects.workloads
        assert found.doubtful == {ipaddress.ip_address(REUSED)}
        assert [str(address) for address, _ in found.addresses(found.pods)] == ["10.244.1.6"]
        api.remove(PODS, NamespacedName("shop", "old"))
        await until(lambda: not objects.workloads.doubtful)
        found = objects.workloads
        assert [(str(address), one.service_account) for address, one in found.addresses(found.enrolled)] == [
            (REUSED, "new"),
            ("10.244.1.6", "other"),
        ]


async def test_a_service_that_is_enrolled_alone_enrols_what_it_selects() -> None:
    api = FakeApi()
    for name, address in (("web", REUSED), ("other", "10.244.1.6")):
        pod(api, name, address)
        api.put(PODS, name, "shop", metadata={"labels": {"app": name}})
    async with followed(api, {}) as objects:
        assert not objects.workloads.enrolled
        labels = {"labels": {LABEL: ENABLED}}
        api.put(SERVICES, "web", "shop", metadata=labels, spec={"selector": {"app": "web"}})
        await until(lambda: bool(objects.workloads.enrolled))
        assert [one.key.name for one in objects.workloads.enrolled] == ["web"]
        api.remove(SERVICES, NamespacedName("shop", "web"))
        await until(lambda: not objects.workloads.enrolled)
