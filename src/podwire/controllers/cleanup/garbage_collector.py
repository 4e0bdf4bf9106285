"""The garbage collector: deletes or releases the dependents of deleted objects, by propagation policy."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from podwire.controllers.cleanup.owner_graph import (
    Action,
    Delete,
    DropFinalizer,
    DropOwners,
    Graph,
    Item,
    OwnerState,
    decide,
)
from podwire.controllers.machinery import owner_references
from podwire.kube import gateway_api
from podwire.kube.api_discovery import discover
from podwire.kube.client import ApiError
from podwire.kube.kinds import Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.kube.client import Client
    from podwire.kube.meta import OwnerReference
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

log = logging.getLogger(__name__)

DISCOVER_SECONDS = 30.0
SYNC_SECONDS = 10.0
"""How long one kind may delay the others. Until it is listed, its objects are read one by one."""

IGNORED = frozenset({"events"})
"""Many, short-lived, and without owners or dependents (as upstream)."""


class GarbageCollector:
    """Follows the metadata of all kinds. An owner counts as deleted only when a GET confirms it."""

    def __init__(self, client: Client, informers: SharedInformers) -> None:
        self._client = client
        self._informers = informers
        self._graph = Graph()
        self._kinds: dict[tuple[str, str], Kind[Object]] = {}
        self._definitions: set[str] = set()
        self._rediscover = asyncio.Event()
        self._queue: WorkQueue[str] = WorkQueue("garbage", self.sync)

    async def run(self) -> None:
        """Handle changes until cancelled; nothing is deleted before every kind has been listed once."""
        await self._follow()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._queue.run())
            tasks.create_task(self._keep_following())

    async def sync(self, uid: str) -> None:
        """Decide on one object by its owners."""
        item = self._graph.items.get(uid)
        if item is None:
            return
        owners = {owner.uid: await self._state(item, owner) for owner in item.owners} if not item.deleting else {}
        for action in decide(self._graph, item, owners):
            await self._act(action)

    async def _keep_following(self) -> None:
        while True:
            try:
                async with asyncio.timeout(DISCOVER_SECONDS):
                    await self._rediscover.wait()
            except TimeoutError:
                log.debug("looking for new kinds")
            self._rediscover.clear()
            await self._follow()

    async def _follow(self) -> None:
        """Follow new kinds and stop removed ones. One after the other: a cluster that starts has more urgent work."""
        found = await discover(self._client)
        served = {_group_kind(kind): kind for kind in found.kinds if self._has_objects(kind)}
        if not found.errors:
            self._stop([kind for name, kind in self._kinds.items() if served.get(name) != kind])
        for name, kind in served.items():
            if name in self._kinds:
                continue
            self._kinds[name] = kind
            store = self._informers.of(kind)
            store.subscribe(lambda change, kind=kind: self._changed(kind, change))  # type: ignore[misc]
            try:
                async with asyncio.timeout(SYNC_SECONDS):
                    await store.informer.synced.wait()
            except TimeoutError:
                log.warning("no list of %s within %.0f s", kind.resource, SYNC_SECONDS)

    def _has_objects(self, kind: Kind[Object]) -> bool:
        """Whether to follow a kind: those of Gateway API have no object before their definitions are stored."""
        group = kind.api_version.partition("/")[0]
        undefined = group in gateway_api.GROUPS and f"{kind.resource}.{group}" not in self._definitions
        return kind.resource not in IGNORED and not undefined

    def _stop(self, kinds: Sequence[Kind[Object]]) -> None:
        """End the informers of kinds that are no longer served, or now in another version or scope."""
        for kind in kinds:
            log.info("%s of %s is no longer served", kind.resource, kind.api_version)
            del self._kinds[_group_kind(kind)]
            self._informers.stop(kind)

    def _changed(self, kind: Kind[Object], change: Change[Object]) -> None:
        old, new = change.old, change.new
        if kind.kind == "CustomResourceDefinition":
            self._definitions -= {old.metadata.name} if old is not None else set()
            self._definitions |= {new.metadata.name} if new is not None else set()
            self._rediscover.set()
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._gone(old.metadata.uid)
        if new is None:
            return
        before = self._graph.items.get(new.metadata.uid)
        if self._graph.put(_item(kind, new)):
            self._touch(new.metadata.uid, before.owners if before is not None else ())

    def _gone(self, uid: str) -> None:
        item = self._graph.remove(uid)
        for dependent in self._graph.dependents(uid):
            self._queue.add(dependent.uid)
        for owner in item.owners if item else ():
            self._queue.add(owner.uid)

    def _touch(self, uid: str, former_owners: Sequence[OwnerReference]) -> None:
        """Decide again on an object and on owners that wait for it, or waited until it lost its reference."""
        item = self._graph.items[uid]
        self._queue.add(uid)
        for owner in (*item.owners, *former_owners):
            if (known := self._graph.items.get(owner.uid)) and known.waiting:
                self._queue.add(owner.uid)
        if item.waiting:
            for dependent in self._graph.dependents(uid):
                self._queue.add(dependent.uid)

    async def _state(self, item: Item, owner: OwnerReference) -> OwnerState:
        known = self._graph.items.get(owner.uid)
        if known is not None:
            return OwnerState.WAITING if known.waiting else OwnerState.EXISTS
        kind = self._kinds.get((owner.api_version.partition("/")[0], owner.kind))
        if kind is None or (kind.namespaced and not item.key.namespace):
            return OwnerState.EXISTS
        try:
            found = await self._client.get(kind, self._owner_key(kind, item, owner))
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            return OwnerState.DELETED
        return OwnerState.EXISTS if found.metadata.uid == owner.uid else OwnerState.DELETED

    def _owner_key(self, kind: Kind[Object], item: Item, owner: OwnerReference) -> NamespacedName:
        return NamespacedName(item.key.namespace if kind.namespaced else "", owner.name)

    async def _act(self, action: Action) -> None:
        kind, key, uid = action.item.kind, action.item.key, action.item.uid
        try:
            match action:
                case Delete():
                    log.info("deleting %s %s: its owner is gone", kind.kind, key)
                    await self._client.delete(kind, key, uid=uid, propagation=action.propagation)
                case DropOwners():
                    await self._patch(action.item, lambda item: owner_references.without_owners(item, action.uids))
                case DropFinalizer():
                    await self._patch(
                        action.item, lambda item: owner_references.without_finalizer(item, action.finalizer)
                    )
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    async def _patch(self, item: Item, change: Any) -> None:
        """Patch the object as it is now, unless another one has its name."""
        current = await self._client.get(item.kind, item.key)
        if current.metadata.uid == item.uid:
            await self._client.patch(item.kind, item.key, change(current))


def _group_kind(kind: Kind[Object]) -> tuple[str, str]:
    return kind.api_version.partition("/")[0], kind.kind


def _item(kind: Kind[Object], item: Object) -> Item:
    metadata = item.metadata
    return Item(
        kind,
        item.key,
        metadata.uid,
        metadata.owner_references,
        metadata.deletion_timestamp is not None,
        metadata.finalizers,
    )
