"""The controller history: one ControllerRevision for each template of a StatefulSet or DaemonSet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from podwire.controllers.machinery.deletion import delete
from podwire.controllers.workloads import controller_revisions
from podwire.kube.apps import DaemonSet, StatefulSet
from podwire.kube.cache import Index, controller_uid
from podwire.kube.client import ApiError
from podwire.kube.kinds import CONTROLLER_REVISIONS
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from collections.abc import Collection

    from podwire.kube.apps import ControllerRevision
    from podwire.kube.cache import Store
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind
    from podwire.kube.shared_informers import SharedInformers

OwnerT = TypeVar("OwnerT", StatefulSet, DaemonSet)


class ControllerHistory(Generic[OwnerT]):
    """The revisions of all owners of one kind. `store` holds the owners: their status counts hash collisions."""

    def __init__(self, client: Client, informers: SharedInformers, kind: Kind[OwnerT], store: Store[OwnerT]) -> None:
        self._client = client
        self._kind: Kind[OwnerT] = kind
        self._owners: Store[OwnerT] = store
        self._revisions = informers.of(CONTROLLER_REVISIONS)
        self._by_owner = Index(self._revisions, lambda revision: [controller_uid(revision)])

    def of(self, owner: OwnerT) -> list[ControllerRevision]:
        """Return the revisions of an owner."""
        return list(self._by_owner[owner.metadata.uid].values())

    async def current(self, owner: OwnerT) -> ControllerRevision:
        """Return the revision of the owner's template; it is created, or gets a new number, where needed."""
        place = controller_revisions.place(owner.spec.template, self.of(owner))
        if place.revision is None:
            return await self._create(owner, place.number)
        if place.revision.revision == place.number:
            return place.revision
        patch = {"revision": place.number}
        key = place.revision.key
        return self._revisions.wrote(await self._client.patch(CONTROLLER_REVISIONS, key, patch))

    async def prune(self, owner: OwnerT, used: Collection[str]) -> None:
        """Delete the oldest revisions that no pod has, beyond the owner's limit."""
        for revision in controller_revisions.expired(self.of(owner), used, owner.spec.revision_history_limit):
            await delete(self._client, CONTROLLER_REVISIONS, self._revisions, revision)

    async def _create(self, owner: OwnerT, number: int) -> ControllerRevision:
        body = controller_revisions.body(self._kind, owner, number, owner.status.collision_count)
        try:
            made = await self._client.create(CONTROLLER_REVISIONS, body, owner.metadata.namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            return await self._collided(owner, body, error)
        return self._revisions.wrote(made)

    async def _collided(self, owner: OwnerT, body: dict[str, Any], error: ApiError) -> ControllerRevision:
        """Handle a taken name: return the owner's own revision, or raise so that the next attempt has another name."""
        key = NamespacedName(owner.metadata.namespace, body["metadata"]["name"])
        existing = await self._client.get(CONTROLLER_REVISIONS, key)
        if controller_uid(existing) == owner.metadata.uid and existing.data == body["data"]:
            return self._revisions.wrote(existing)
        patch = {"status": {"collisionCount": owner.status.collision_count + 1}}
        self._owners.wrote(await self._client.patch(self._kind, owner.key, patch, "status"))
        raise error
