"""The kubelet's endpoints about its node, through the API server's proxy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podwire.kube.client import ApiError
from tests.lab.nodes import NODE, NodeOfTest, is_ready, node, shell
from tests.lab.shims import until
from tests.sandbox import in_world


async def get(home: NodeOfTest, path: str, port: str = "") -> str:
    return (await home.client.fetch(f"/api/v1/nodes/{NODE.name}{port}/proxy/{path}")).decode()


async def get_json(home: NodeOfTest, path: str) -> Any:
    return json.loads(await get(home, path))


@in_world
async def test_pods_health_metrics_and_configuration() -> None:
    async with node() as home:
        await home.create("web", shell("sleep 1000"))
        await home.when("web", is_ready)
        assert await get(home, "healthz") == await get(home, "healthz/syncloop", ":10250") == "ok"
        assert [item["metadata"]["name"] for item in (await get_json(home, "pods"))["items"]] == ["web"]
        running = (await get_json(home, "runningpods/"))["items"]
        assert running[0]["spec"]["containers"][0]["name"] == "main"
        metrics = await get(home, "metrics")
        assert "kubelet_running_pods 1\n" in metrics
        assert 'kubelet_running_containers{container_state="running"} 1\n' in metrics
        summary = await get_json(home, "stats/summary")
        assert summary["pods"][0]["podRef"]["name"] == "web"
        assert summary["node"]["fs"]["capacityBytes"] > 0
        assert (await get_json(home, "configz"))["kubeletconfig"]["clusterDomain"] == "cluster.local"


@in_world
async def test_files_of_var_log_and_nothing_else() -> None:
    async with node() as home:
        mounts = [{"name": "log", "mountPath": "/logs"}]
        script = (
            "echo said; echo written > /logs/app.log; ln -s /etc/passwd /logs/way; ln -s ../../../.. /logs/up; sleep 99"
        )
        pod = await home.create(
            "web", shell(script, volumeMounts=mounts), volumes=[{"name": "log", "hostPath": {"path": "/var/log"}}]
        )
        await home.when("web", is_ready)
        tree = home.kubelet.node.files.tree
        await until((tree / "var/log/up").is_symlink)
        listing = await get(home, "logs/")
        assert listing == await get(home, "logs/", ":10250")
        assert '<a href="pods/">pods/</a>' in listing
        assert await get(home, "logs/app.log") == "written\n"
        log = f"logs/pods/default_web_{pod['metadata']['uid']}/main/0.log"
        await until(lambda: (home.kubelet.node.files.pod_logs / log.removeprefix("logs/pods/")).stat().st_size > 0)
        assert "stdout F said" in await get(home, log)
        assert await get(home, "logs/way") == (tree / "etc/passwd").read_text(), "a link leads into the node's tree"
        assert "usr/" in await get(home, "logs/up/"), "the tree is the root directory"
        with pytest.raises(ApiError) as refused:
            await get(home, "logs/none")
        assert refused.value.code == 404
