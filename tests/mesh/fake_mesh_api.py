"""An API server in memory with what the authority of the mesh needs: server-side apply of one owner, token reviews."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podwire.kube.client import ApiError
from podwire.kube.kinds import Kind
from podwire.kube.meta import NamespacedName
from podwire.kube.token_review import EXTRA, TOKEN_REVIEWS
from podwire.mesh.identity.admission import Running, RunningPod
from podwire.mesh.identity.exchange import AUDIENCE, NODE_ACCOUNT
from tests.kube.fake_api import FakeApi

NODE_USER = f"system:serviceaccount:{NODE_ACCOUNT.namespace}:{NODE_ACCOUNT.name}"


class MeshApi(FakeApi):
    """Tokens are `token of POD` for the mesh's own pods; `reviews` counts."""

    def __init__(self) -> None:
        super().__init__()
        self.served["/apis/apps/v1"] = (*self.served["/apis/apps/v1"], "daemonsets")
        self.reviews = 0
        self.is_away = False

    async def create(self, kind: Kind[Any], body: Mapping[str, Any], namespace: str = "") -> Any:
        if kind is not TOKEN_REVIEWS:
            return await super().create(kind, body, namespace)
        self.reviews += 1
        spec = body["spec"]
        _, _, pod = spec["token"].partition("token of ")
        if not pod or AUDIENCE not in spec["audiences"]:
            return kind.type()
        extra = {f"{EXTRA}pod-name": [pod], f"{EXTRA}pod-uid": [f"uid-{pod}"]}
        user = {"username": NODE_USER, "extra": extra}
        return msgspec.convert({"status": {"authenticated": True, "user": user, "audiences": [AUDIENCE]}}, kind.type)

    async def apply(self, kind: Kind[Any], key: NamespacedName, body: Mapping[str, Any], manager: str) -> Any:
        if key not in self.objects.get(kind.resource, {}):
            return await self.create(kind, body, key.namespace)
        return await super().apply(kind, key, body, manager)

    async def list(self, kind: Kind[Any], namespace: str = "", **parameters: str) -> Any:
        found = await super().list(kind, namespace, **parameters)
        label = parameters.get("labelSelector", "")
        found.items = [one for one in found.items if not label or label in one.metadata.labels]
        return found

    async def get(self, kind: Kind[Any], key: NamespacedName) -> Any:
        if self.is_away:
            raise ApiError(503, "ServiceUnavailable", "the API server is away")
        return await super().get(kind, key)


def running(**pods: tuple[str, str]) -> Running:
    """A mesh pod on each node, `mesh-NODE`; and pods of namespace shop by name: node and ServiceAccount."""
    found = Running()
    for node in {node for node, _ in pods.values()} | {"one", "two"}:
        key = NamespacedName(NODE_ACCOUNT.namespace, f"mesh-{node}")
        found.replace(key, RunningPod(key, f"uid-mesh-{node}", node, NODE_ACCOUNT.name, is_host=True))
    for name, (node, account) in pods.items():
        key = NamespacedName("shop", name)
        found.replace(key, RunningPod(key, f"uid-{name}", node, account, is_host=False))
    return found
