"""The server with the clients that people use: kubectl, the official Python client, podwire's own."""

import asyncio
import json
from typing import Any

import kubernetes
import pytest

from podwire.kube.client import ApiError, Client
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS, NAMESPACES
from podwire.kube.meta import NamespacedName
from tests.apiserver.conftest import Served, until
from tests.apiserver.http.sessions import config_map, session

# podwire's own client


async def test_informers_follow(served: Served) -> None:
    async with Client(served.credentials) as client:
        informer = Informer(client, CONFIG_MAPS, field_selector="metadata.namespace=default")
        task = asyncio.create_task(informer.run())
        await client.create(CONFIG_MAPS, config_map("a", x="1"), "default")
        async with asyncio.timeout(60):
            await informer.wait_for(lambda: NamespacedName("default", "a") in informer.objects)
        await client.delete(CONFIG_MAPS, NamespacedName("default", "a"))
        async with asyncio.timeout(60):
            await informer.wait_for(lambda: NamespacedName("default", "a") not in informer.objects)
        task.cancel()
        with pytest.raises(ApiError) as refused:
            await client.get(NAMESPACES, NamespacedName("", "nowhere"))
        assert (refused.value.code, refused.value.reason) == (404, "NotFound")


# kubectl


MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {color: red}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: nginx}]
"""


async def test_kubectl_applies_changes_and_deletes(served: Served) -> None:
    assert "deployment.apps/web created" in await served.kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert "deployment.apps/web unchanged" in await served.kubectl("apply", "-f", "-", stdin=MANIFEST)
    changed = MANIFEST.replace("red", "blue").replace("image: nginx", "image: httpd")
    assert "settings configured" in await served.kubectl("apply", "-f", "-", stdin=changed)
    path = "jsonpath={.spec.template.spec.containers[0].image} {.metadata.generation}"
    assert await served.kubectl("get", "deployment", "web", "-n", "shop", "-o", path) == "httpd 2"
    assert await served.kubectl("get", "cm", "settings", "-n", "shop", "-o", "jsonpath={.data.color}") == "blue"
    assert "scaled" in await served.kubectl("scale", "deploy/web", "-n", "shop", "--replicas=3")
    assert "image updated" in await served.kubectl("set", "image", "deploy/web", "main=nginx:2", "-n", "shop")
    assert "labeled" in await served.kubectl("label", "cm", "settings", "-n", "shop", "a=b")
    assert "deleted" in await served.kubectl("delete", "cm", "settings", "-n", "shop")
    error = await served.kubectl("get", "cm", "settings", "-n", "shop", fails=True)
    assert error == 'Error from server (NotFound): configmaps "settings" not found\n'


@pytest.mark.proves("kubectl-validate", "client-kubectl-newest")
async def test_kubectl_names_unknown_fields(served: Served) -> None:
    wrong = MANIFEST.replace("image: nginx", "imagee: nginx")
    error = await served.kubectl("apply", "-f", "-", stdin=wrong, fails=True)
    assert 'unknown field "spec.template.spec.containers[0].imagee"' in error


@pytest.mark.proves("kubectl-wait")
async def test_kubectl_wait_returns_once_the_condition_is_met(served: Served) -> None:
    await served.kubectl("apply", "-f", "-", stdin=MANIFEST)
    waiting = asyncio.create_task(
        served.kubectl("wait", "deploy/web", "-n", "shop", "--for=condition=Available", "--timeout=20s")
    )
    await until(lambda: len(served.server.hub))
    status = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    async with session(served) as client:
        merge = {"Content-Type": "application/merge-patch+json"}
        path = "/apis/apps/v1/namespaces/shop/deployments/web/status"
        async with client.patch(path, json=status, headers=merge) as answer:
            assert answer.status == 200
    assert "condition met" in await waiting


async def test_kubectl_delete_waits_for_the_finalizer(served: Served) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["test/hold"]}}
    await served.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    waiting = asyncio.create_task(served.kubectl("delete", "cm", "held", "--timeout=20s"))
    await until(lambda: len(served.server.hub))
    assert not waiting.done()
    await served.kubectl("patch", "cm", "held", "--type=json", '-p=[{"op": "remove", "path": "/metadata/finalizers"}]')
    assert "deleted" in await waiting


async def test_kubectl_discovers_the_api(served: Served) -> None:
    assert "deployments" in await served.kubectl("api-resources", "--api-group=apps")
    assert "Server Version: v1.37" in await served.kubectl("version")
    assert "kube-system" in await served.kubectl("get", "ns", "-o", "name")
    assert await served.kubectl("get", "--raw", "/readyz") == "ok"


# the official Python client


@pytest.mark.proves("python-kubernetes")
async def test_the_python_client_lists_and_watches(served: Served) -> None:
    official: Any = kubernetes  # its own type hints are wrong in places

    def work() -> list[tuple[str, str]]:
        settings = official.client.Configuration()
        official.config.load_kube_config(str(served.kubeconfig), client_configuration=settings)
        with official.client.ApiClient(settings) as connection:
            api = official.client.CoreV1Api(connection)
            version = api.list_namespaced_config_map("default").metadata.resource_version
            api.create_namespaced_config_map("default", config_map("a", x="1"))
            api.patch_namespaced_config_map("a", "default", {"data": {"x": "2"}})
            api.delete_namespaced_config_map("a", "default")
            watch = official.watch.Watch()
            seen = []
            events = watch.stream(
                api.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=10
            )
            for event in events:
                seen.append((event["type"], event["object"].data["x"]))
                if event["type"] == "DELETED":
                    watch.stop()
            return seen

    assert await asyncio.to_thread(work) == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]
