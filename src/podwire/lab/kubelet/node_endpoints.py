"""The kubelet's endpoints about its node: health, pods, metrics, statistics, configuration, and files of /var/log.

Sources: k8s.io/kubernetes `pkg/kubelet/server/server.go`, k8s.io/kubelet `pkg/apis/stats/v1alpha1`.
"""

from __future__ import annotations

import html
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from podwire.lab.kubelet import node_conditions, node_files
from podwire.lab.kubelet.eviction import measure
from podwire.lab.kubelet.host_path import CONTAINER_LOGS, POD_LOGS
from podwire.lab.kubelet.node_context import Node
from podwire.lab.kubelet.node_object import KUBELET_PORT, resources
from podwire.lab.kubelet.pod_worker import PodWorker
from podwire.lab.shim.lifecycle import Running

CHUNK = 64 * 1024
LARGEST_FILE = 64 * 1024 * 1024
HEALTH_CHECKS = ("ping", "log", "syncloop")


class NodeEndpoints:
    """Answers about one node. `workers` returns the workers of its pods by uid."""

    def __init__(self, node: Node, workers: Callable[[], Mapping[str, PodWorker]]) -> None:
        self._node = node
        self._workers = workers

    def register(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        router.add_get("/healthz", _healthy)
        for name in HEALTH_CHECKS:
            router.add_get(f"/healthz/{name}", _healthy)
        router.add_get("/pods", self._pods)
        router.add_get("/runningpods/", self._running_pods)
        router.add_get("/metrics", self._metrics)
        router.add_get("/stats/summary", self._summary)
        router.add_get("/configz", self._configuration)
        router.add_get("/logs", _to_logs)
        router.add_get("/logs/{path:.*}", self._logs)

    async def _pods(self, _: web.Request) -> web.Response:
        """All pods of the node, as the API server has them."""
        body = await self._node.client.fetch(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{quote(self._node.name)}")
        return web.Response(body=body, content_type="application/json")

    async def _running_pods(self, _: web.Request) -> web.Response:
        """The pods of which a container runs."""
        items = []
        for worker in self._workers().values():
            running = [name for name, record in worker.records.items() if isinstance(record.state, Running)]
            if running:
                meta = worker.pod.metadata
                images = {entry.name: entry.image for entry in worker.pod.spec.containers}
                containers = [{"name": name, "image": images.get(name, ""), "resources": {}} for name in running]
                metadata = {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid}
                items.append({"metadata": metadata, "spec": {"containers": containers}, "status": {}})
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _metrics(self, _: web.Request) -> web.Response:
        workers = list(self._workers().values())
        running = [sum(isinstance(record.state, Running) for record in worker.records.values()) for worker in workers]
        lines = [
            "# HELP kubelet_node_name The node's name. The count is always 1.",
            "# TYPE kubelet_node_name gauge",
            f'kubelet_node_name{{node="{self._node.name}"}} 1',
            "# HELP kubelet_running_pods Number of pods that have a running pod sandbox",
            "# TYPE kubelet_running_pods gauge",
            f"kubelet_running_pods {sum(worker.sandbox.ready for worker in workers)}",
            "# HELP kubelet_running_containers Number of containers currently running",
            "# TYPE kubelet_running_containers gauge",
            f'kubelet_running_containers{{container_state="running"}} {sum(running)}',
        ]
        return web.Response(text="\n".join([*lines, ""]), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _summary(self, _: web.Request) -> web.Response:
        readings = node_conditions.read(self._node.ephemeral)
        used = readings.storage_total - readings.storage
        storage = {
            "availableBytes": readings.storage,
            "capacityBytes": readings.storage_total,
            "usedBytes": used,
        }
        node = {"nodeName": self._node.name, "memory": {"availableBytes": readings.memory}, "fs": storage}
        pods = [_statistics(worker) for worker in self._workers().values() if worker.active]
        return web.json_response({"node": node, "pods": pods})

    async def _configuration(self, _: web.Request) -> web.Response:
        names = self._node.names
        configuration = {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "port": KUBELET_PORT,
            "clusterDomain": names.domain,
            "clusterDNS": list(names.cluster),
            "maxPods": int(resources()["pods"]),
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%"},
        }
        return web.json_response({"kubeletconfig": configuration})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        """A file below /var/log of the node's tree, or the names in a folder."""
        path = request.match_info["path"].strip("/")
        try:
            descriptor = node_files.open_file(*_log_place(self._node, path))
        except OSError:
            raise web.HTTPNotFound(text="404 page not found\n") from None
        try:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                return web.Response(text=_listing(descriptor), content_type="text/html")
            return await _sent(request, descriptor)
        finally:
            os.close(descriptor)


def _log_place(node: Node, path: str) -> tuple[Path, str]:
    """Return the folder and the path in it of what the node has at a path below /var/log."""
    node.files.provide()
    for folder, source in ((POD_LOGS, node.files.pod_logs), (CONTAINER_LOGS, node.files.container_logs)):
        name = folder.rpartition("/")[2]
        if path == name or path.startswith(f"{name}/"):
            return source, path.removeprefix(name)
    return node.files.tree, f"var/log/{path}"


def _listing(folder: int) -> str:
    """The names in a folder as Go's file server shows them."""
    with os.scandir(folder) as entries:
        names = sorted(f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries)
    lines = (f'<a href="{quote(name)}">{html.escape(name)}</a>\n' for name in names)
    return f"<!doctype html>\n<pre>\n{''.join(lines)}</pre>\n"


async def _sent(request: web.Request, file: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    await response.prepare(request)
    left = LARGEST_FILE
    while left > 0 and (data := os.read(file, min(CHUNK, left))):
        left -= len(data)
        await response.write(data)
    await response.write_eof()
    return response


def _statistics(worker: PodWorker) -> dict[str, Any]:
    """What a pod occupies. Processor time and memory are not measured: there are no cgroups."""
    meta, usage = worker.pod.metadata, measure(worker)
    return {
        "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "startTime": worker.sandbox.record.started,
        "ephemeral-storage": {"usedBytes": usage.total},
        "volume": [{"name": name, "usedBytes": used} for name, used in usage.volumes.items()],
        "containers": [{"name": name, "rootfs": {"usedBytes": used}} for name, used in usage.containers.items()],
    }


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _to_logs(_: web.Request) -> web.Response:
    raise web.HTTPMovedPermanently("/logs/")
