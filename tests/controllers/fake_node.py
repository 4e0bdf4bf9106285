"""Nodes' runtimes for controllers' tests: bound pods become ready, ending pods go."""

from __future__ import annotations

import itertools
from typing import Any

from podwire.kube.kinds import PODS
from podwire.kube.meta import NamespacedName
from tests.controllers.build import READY
from tests.kube.fake_api import FakeApi


class FakeRuntime:
    """Serves the pods of all nodes of a fake API."""

    def __init__(self, api: FakeApi, *, ends_pods: bool = True) -> None:
        self._api = api
        self._ends_pods = ends_pods
        self._addresses = itertools.count(1)

    async def run(self) -> None:
        while True:
            await self._api.until(lambda: any(self._todo(pod) for pod in self._api.all(PODS)), seconds=None)
            for pod in self._api.all(PODS):
                if self._todo(pod):
                    self._serve(pod)

    def _todo(self, pod: dict[str, Any]) -> bool:
        if pod["metadata"].get("deletionTimestamp"):
            held = pod["metadata"].get("finalizers") and pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
            return self._ends_pods and not held
        return bool(pod["spec"].get("nodeName")) and pod.get("status", {}).get("phase") != "Running"

    def _serve(self, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        if metadata.get("deletionTimestamp") and metadata.get("finalizers"):
            self._api.put(PODS, metadata["name"], metadata["namespace"], status={"phase": "Failed"})
            return
        if metadata.get("deletionTimestamp"):
            self._api.remove(PODS, NamespacedName(metadata["namespace"], metadata["name"]))
            return
        address = {"ip": f"10.244.1.{next(self._addresses)}"}
        status = {"phase": "Running", "podIPs": [address], "conditions": [READY]}
        self._api.put(PODS, metadata["name"], metadata["namespace"], status=status)
