"""The DaemonSet of the mesh follows what is enrolled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from podwire.kube.kinds import DAEMON_SETS, NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.mesh.controller.daemon_set import KEY, NodeSettings
from podwire.mesh.controller.mesh_objects import MeshObjects
from podwire.mesh.controller.node_pods import NodePods
from podwire.redirection.enrolment import LABEL
from tests.mesh.fake_mesh_api import MeshApi
from tests.mesh.node.test_certificates import until

SETTINGS = NodeSettings("podwire/mesh", "10.0.0.1:18001", "signer", envoy_image="podwire/envoy")


@contextlib.asynccontextmanager
async def at_work(api: MeshApi, linger: float = 0.0) -> AsyncIterator[MeshObjects]:
    def changed() -> None:
        pods.changed()

    objects = MeshObjects(api, changed)
    pods = NodePods(api, objects, SETTINGS, linger)
    tasks = [asyncio.create_task(objects.run())]
    try:
        async with asyncio.timeout(60):
            await objects.synced()
        tasks.append(asyncio.create_task(pods.lead()))
        yield objects
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def exists(api: MeshApi) -> bool:
    return KEY in api.objects.get(DAEMON_SETS.resource, {})


def enrol(api: MeshApi, value: str = "enabled") -> None:
    api.put(NAMESPACES, "shop", metadata={"labels": {LABEL: value}})


async def test_it_is_created_with_the_first_namespace_and_deleted_after_the_last() -> None:
    api = MeshApi()
    api.put(NAMESPACES, "other")
    async with at_work(api):
        enrol(api)
        await api.until(lambda: exists(api))
        assert KEY in api.objects[SERVICE_ACCOUNTS.resource]
        enrol(api, "disabled")
        await api.until(lambda: not exists(api))


async def test_a_service_or_a_pod_alone_is_enough() -> None:
    for kind in (SERVICES, PODS):
        api = MeshApi()
        async with at_work(api):
            api.put(kind, "front", "shop", metadata={"labels": {LABEL: "enabled"}}, spec={"nodeName": "one"})
            await api.until(lambda api=api: exists(api))  # type: ignore[misc]
            api.remove(kind, NamespacedName("shop", "front"))
            await api.until(lambda api=api: not exists(api))  # type: ignore[misc]


async def test_one_that_is_enrolled_again_in_time_keeps_it() -> None:
    api = MeshApi()
    async with at_work(api, linger=3600.0) as objects:
        enrol(api)
        await api.until(lambda: exists(api))
        enrol(api, "disabled")
        await until(lambda: not objects.is_needed)
        enrol(api)
        await until(lambda: objects.is_needed)
        api.remove(DAEMON_SETS, KEY)
        await api.until(lambda: exists(api))


async def test_one_of_another_controller_version_gets_its_form_and_status_is_no_reason_to_write() -> None:
    api = MeshApi()
    enrol(api)
    api.put(DAEMON_SETS, KEY.name, KEY.namespace, spec={"template": {"spec": {"containers": [{"image": "old"}]}}})
    async with at_work(api):

        def image() -> str:
            found: str = api.objects[DAEMON_SETS.resource][KEY]["spec"]["template"]["spec"]["containers"][-1]["image"]
            return found

        await api.until(lambda: image() == "podwire/mesh")
        count = len(api.history(DAEMON_SETS))
        api.put(DAEMON_SETS, KEY.name, KEY.namespace, status={"numberReady": 1})
        api.put(NAMESPACES, "another", metadata={"labels": {LABEL: "enabled"}})
        await api.until(lambda: len(api.history(NAMESPACES)) == 2)
        assert len(api.history(DAEMON_SETS)) == count + 1
