"""The status of an XMesh: features of this mesh, and nothing in one of another."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from podwire.kube.gateway_api import MESH_CONTROLLER_NAME
from podwire.kube.meta import NamespacedName
from podwire.mesh.controller.mesh_statuses import MeshStatuses
from podwire.mesh.kinds.mesh import MESHES
from podwire.mesh.routes.mesh_status import FEATURES
from tests.kube.fake_api import FakeApi


def status(api: FakeApi, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.objects[MESHES.resource][NamespacedName("", name)].get("status", {})
    return found


def reason(api: FakeApi, name: str) -> str:
    return next((one["reason"] for one in status(api, name).get("conditions", [])), "")


async def test_a_mesh_of_this_controller_is_accepted_with_its_features() -> None:
    api = FakeApi()
    api.cluster_scoped.add(MESHES.resource)
    parameters = {"group": "", "kind": "ConfigMap", "name": "a"}
    for name, spec in (
        ("own", {"controllerName": MESH_CONTROLLER_NAME}),
        ("wrong", {"controllerName": MESH_CONTROLLER_NAME, "parametersRef": parameters}),
        ("other", {"controllerName": "example.com/mesh"}),
    ):
        api.put(MESHES, name, "", metadata={"generation": 1}, spec=spec)
    task = asyncio.create_task(MeshStatuses(api).lead())
    try:
        await api.until(lambda: (reason(api, "own"), reason(api, "wrong")) == ("Accepted", "InvalidParameters"), 60)
        assert [one["name"] for one in status(api, "own")["supportedFeatures"]] == sorted(FEATURES)
        assert status(api, "other") == {}
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
