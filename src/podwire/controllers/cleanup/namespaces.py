"""Namespaces: what each one starts with, and how one that is deleted is emptied.

Source: kubernetes `pkg/controller/namespace/deletion`, `pkg/controller/serviceaccount`,
`pkg/controller/certificates/rootcacertpublisher`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podwire.controllers.machinery.cache import changed_key
from podwire.controllers.machinery.work_queue import WorkQueue
from podwire.kube.client import ApiError
from podwire.kube.kinds import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS, Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.resources import discover

if TYPE_CHECKING:
    from podwire.controllers.machinery.shared_informers import Informers
    from podwire.kube.client import Client
    from podwire.kube.core import Namespace
    from podwire.kube.watch import Change

log = logging.getLogger(__name__)

FINALIZER = "kubernetes"
SERVICE_ACCOUNT = "default"
ROOT_AUTHORITY = "kube-root-ca.crt"
AGAIN_SECONDS = 0.2


class Namespaces:
    """Follows namespaces, ServiceAccounts and ConfigMaps."""

    def __init__(self, client: Client, informers: Informers, authority_file: str) -> None:
        self._client = client
        self._authority = Path(authority_file).read_text()
        self._namespaces = informers.of(NAMESPACES)
        self._accounts = informers.of(SERVICE_ACCOUNTS)
        self._config_maps = informers.of(CONFIG_MAPS)
        self._left: dict[str, tuple[Kind[Object], ...]] = {}
        self._queue: WorkQueue[NamespacedName] = WorkQueue("namespaces", self.sync)
        self._namespaces.subscribe(lambda change: self._queue.add(changed_key(change)))
        self._accounts.subscribe(self._content_changed)
        self._config_maps.subscribe(self._content_changed)

    async def run(self) -> None:
        """Work for ever."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Furnish a namespace, or empty it and let it go."""
        namespace = self._namespaces.objects.get(key)
        if namespace is None:
            self._left.pop(key.name, None)
        elif namespace.metadata.deletion_timestamp is None:
            await self._furnish(key.name)
        elif FINALIZER in namespace.spec.finalizers:
            await self._empty(namespace)

    def _content_changed(self, change: Change[Any]) -> None:
        key = changed_key(change)
        if key.name in {SERVICE_ACCOUNT, ROOT_AUTHORITY}:
            self._queue.add(NamespacedName("", key.namespace))

    async def _furnish(self, name: str) -> None:
        if NamespacedName(name, SERVICE_ACCOUNT) not in self._accounts.objects:
            await self._ensure(SERVICE_ACCOUNTS, name, {"metadata": {"name": SERVICE_ACCOUNT}})
        published = self._config_maps.objects.get(NamespacedName(name, ROOT_AUTHORITY))
        data = {"ca.crt": self._authority}
        if published is None:
            await self._ensure(CONFIG_MAPS, name, {"metadata": {"name": ROOT_AUTHORITY}, "data": data})
        elif published.data != data:
            self._config_maps.wrote(await self._client.patch(CONFIG_MAPS, published.key, {"data": data}))

    async def _ensure(self, kind: Kind[Any], namespace: str, body: dict[str, Any]) -> None:
        try:
            await self._client.create(kind, body, namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _empty(self, namespace: Namespace) -> None:
        """Delete all content; when none is left, the namespace may go."""
        name = namespace.metadata.name
        namespaced = self._left.get(name) or tuple(kind for kind in await discover(self._client) if kind.namespaced)
        left = []
        for kind in namespaced:
            if (await self._client.list(kind, name, limit="1")).items:
                await self._client.delete_all(kind, name)
                left.append(kind)
        if left:
            log.info("namespace %s still has %s", name, ", ".join(kind.resource for kind in left))
            self._left[name] = tuple(left)
        elif self._left.pop(name, None) is None:
            await self._finalize(namespace)
            return
        self._queue.add(namespace.key, AGAIN_SECONDS if left else 0)

    async def _finalize(self, namespace: Namespace) -> None:
        metadata = namespace.metadata
        body = {
            "metadata": {
                "name": metadata.name,
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
                "labels": metadata.labels,
                "annotations": metadata.annotations,
            },
            "spec": {"finalizers": [name for name in namespace.spec.finalizers if name != FINALIZER]},
        }
        try:
            await self._client.replace(NAMESPACES, namespace.key, body, "finalize")
        except ApiError as error:
            if error.reason != "NotFound":
                raise
