"""Namespaces: the objects that each one has from the start, and deletion with all content.

Source: kubernetes `pkg/controller/namespace/deletion`, `pkg/controller/serviceaccount`,
`pkg/controller/certificates/rootcacertpublisher`.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.cleanup.namespace_conditions import conditions
from podwire.controllers.cleanup.namespace_content import delete_content
from podwire.controllers.machinery.status_patch import versioned
from podwire.kube.cache import changed_key
from podwire.kube.client import ApiError
from podwire.kube.kinds import CONFIG_MAPS, NAMESPACES, PODS, SERVICE_ACCOUNTS, Kind
from podwire.kube.meta import NamespacedName, timestamp
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.controllers.cleanup.namespace_conditions import Outcome
    from podwire.kube.client import Client
    from podwire.kube.core import Namespace, Pod
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

log = logging.getLogger(__name__)

FINALIZER = "kubernetes"
SERVICE_ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 2.0
"""Between two passes over a namespace; the end of one of its pods starts a pass too."""


class Namespaces:
    """Follows namespaces, ServiceAccounts and ConfigMaps."""

    def __init__(self, client: Client, informers: SharedInformers, authority_file: str) -> None:
        self._client = client
        self._authority = Path(authority_file).read_text()
        self._namespaces = informers.of(NAMESPACES)
        self._accounts = informers.of(SERVICE_ACCOUNTS)
        self._config_maps = informers.of(CONFIG_MAPS)
        self._waits: dict[str, float] = {}
        self._queue: WorkQueue[NamespacedName] = WorkQueue("namespaces", self.sync)
        self._namespaces.subscribe(lambda change: self._queue.add(changed_key(change)))
        self._accounts.subscribe(self._content_changed)
        self._config_maps.subscribe(self._content_changed)
        informers.of(PODS).subscribe(self._pod_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Create the default objects of a namespace, or delete its content."""
        namespace = self._namespaces.objects.get(key)
        if namespace is None:
            self._waits.pop(key.name, None)
        elif namespace.metadata.deletion_timestamp is None:
            await self._create_defaults(key.name)
        elif FINALIZER in namespace.spec.finalizers:
            await self._delete_content(namespace)

    def _content_changed(self, change: Change[Any]) -> None:
        key = changed_key(change)
        if key.name in {SERVICE_ACCOUNT, ROOT_CA}:
            self._queue.add(NamespacedName("", key.namespace))

    def _pod_changed(self, change: Change[Pod]) -> None:
        key = NamespacedName("", changed_key(change).namespace)
        if change.new is None and key.name in self._waits:
            self._queue.add(key)

    async def _create_defaults(self, name: str) -> None:
        if NamespacedName(name, SERVICE_ACCOUNT) not in self._accounts.objects:
            await self._ensure(SERVICE_ACCOUNTS, name, {"metadata": {"name": SERVICE_ACCOUNT}})
        published = self._config_maps.objects.get(NamespacedName(name, ROOT_CA))
        data = {"ca.crt": self._authority}
        if published is None:
            await self._ensure(CONFIG_MAPS, name, {"metadata": {"name": ROOT_CA}, "data": data})
        elif published.data != data:
            self._config_maps.wrote(await self._client.patch(CONFIG_MAPS, published.key, {"data": data}))

    async def _ensure(self, kind: Kind[Any], namespace: str, body: dict[str, Any]) -> None:
        try:
            await self._client.create(kind, body, namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _delete_content(self, namespace: Namespace) -> None:
        """Delete the content, report what is left in the status, and remove the finalizer when nothing is left."""
        now = datetime.now(UTC)
        outcome = await delete_content(self._client, namespace, now)
        namespace = await self._write_conditions(namespace, outcome, now)
        if outcome.complete:
            await self._finalize(namespace)
            return
        name = namespace.metadata.name
        wait = self._waits[name] = min(self._waits.get(name, FIRST_WAIT_SECONDS / 2) * 2, LONGEST_WAIT_SECONDS)
        left = [*outcome.remaining, *outcome.errors]
        log.info("namespace %s is not empty: %s; next attempt in %.1f s", name, ", ".join(left), wait)
        self._queue.add(namespace.key, wait)

    async def _write_conditions(self, namespace: Namespace, outcome: Outcome, now: datetime) -> Namespace:
        before = namespace.status.conditions
        desired = conditions(before, outcome, timestamp(now))
        removed_next = outcome.complete and namespace.spec.finalizers == (FINALIZER,)
        if desired == before or (removed_next and not namespace.metadata.finalizers):
            return namespace
        body = versioned(namespace, {"conditions": [msgspec.to_builtins(condition) for condition in desired]})
        return self._namespaces.wrote(await self._client.patch(NAMESPACES, namespace.key, body, "status"))

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
