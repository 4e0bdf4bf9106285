"""Pod control: adopts, creates and deletes the pods of one kind of owner, with an event for the owner each time."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import aiohttp

from podwire.controllers.machinery import owner_references
from podwire.controllers.machinery.deletion import delete
from podwire.kube.cache import Index, controller_uid
from podwire.kube.client import NAMESPACE_TERMINATING, ApiError
from podwire.kube.kinds import PODS
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.names import safe_text
from podwire.kube.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from podwire.kube.cache import Store
    from podwire.kube.client import Client
    from podwire.kube.core import Pod
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import LabelSelector
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

OwnerT = TypeVar("OwnerT", bound=Object)

AT_ONCE = 50
"""Requests in flight for one owner."""


class OwnedPods(Generic[OwnerT]):
    """The pods of all owners of one kind. `touch` is called with the owner when its pods changed."""

    def __init__(
        self,
        client: Client,
        informers: SharedInformers,
        recorder: Recorder,
        kind: Kind[OwnerT],
        selector: Callable[[OwnerT], LabelSelector],
        touch: Callable[[NamespacedName], None],
        *,
        finalizer: str = "",
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._kind = kind
        self._selector = selector
        self._touch = touch
        self._finalizer = finalizer
        self._pods: Store[Pod] = informers.of(PODS)
        self._by_owner = Index(self._pods, self._owner_keys)
        self._by_owner_name = Index(self._pods, self._owner_name)
        self._owners_by_namespace = Index(informers.of(kind), lambda item: [item.metadata.namespace])
        self._unsure: dict[str, list[str]] = {}
        self._pods.subscribe(self._pod_changed)

    def of(self, owner: OwnerT) -> list[Pod]:
        """Return the pods of an owner, with finished and terminating ones."""
        return list(self._by_owner[owner.metadata.uid].values())

    def owner_deleted(self, uid: str) -> None:
        """Drop what is known of a deleted owner."""
        self._unsure.pop(uid, None)

    async def claim(self, owner: OwnerT) -> list[Pod]:
        """Adopt and release pods, then return those of the owner."""
        orphans = self._by_owner["", owner.metadata.namespace].values()
        for pod in [*self.of(owner), *orphans]:
            patch = owner_references.claim_patch(self._kind, owner, self._selector(owner), pod, self._finalizer)
            if patch is not None:
                self._pods.wrote(await self._client.patch(PODS, pod.key, patch))
        return self.of(owner)

    def names(self, owner: OwnerT, prefixes: Sequence[str]) -> list[str]:
        """Return a new name for each prefix.

        Names whose creation had no answer come first: the server refuses a name that it has.
        """
        namespace = owner.metadata.namespace
        known = self._pods.objects
        unsure = [n for n in self._unsure.pop(owner.metadata.uid, []) if NamespacedName(namespace, n) not in known]
        names = []
        for prefix in prefixes:
            again = next((name for name in unsure if name.startswith(prefix)), None)
            if again is not None:
                unsure.remove(again)
            names.append(again or prefix + safe_text(secrets.token_bytes(16), 5))
        return names

    async def create(self, owner: OwnerT, bodies: Sequence[dict[str, Any]]) -> None:
        """Create pods, many at a time; all are tried, then the first error is raised."""
        for start in range(0, len(bodies), AT_ONCE):
            await every(self._create_one(owner, body) for body in bodies[start : start + AT_ONCE])

    async def delete(self, owner: OwnerT, pods: Sequence[Pod]) -> None:
        """Delete pods, many at a time; their nodes end them."""
        for start in range(0, len(pods), AT_ONCE):
            await every(self._delete_one(owner, pod) for pod in pods[start : start + AT_ONCE])

    async def remove_finalizers(self, pods: Sequence[Pod]) -> None:
        """Remove the owners' finalizer from pods, many at a time."""
        having = [pod for pod in pods if self._finalizer in pod.metadata.finalizers]
        for start in range(0, len(having), AT_ONCE):
            await every(self._remove_finalizer(pod) for pod in having[start : start + AT_ONCE])

    async def release_orphans(self, owner: NamespacedName, uid: str) -> None:
        """Remove the finalizer from pods whose owner of this name had another uid than the present one; "" for none."""
        pods = self._by_owner_name[owner].values()
        await self.remove_finalizers([pod for pod in pods if controller_uid(pod) != uid])

    async def _create_one(self, owner: OwnerT, body: dict[str, Any]) -> None:
        name = body["metadata"]["name"]
        key = NamespacedName(owner.metadata.namespace, name)
        try:
            pod = await self._client.create(PODS, body, key.namespace)
        except ApiError as error:
            if NAMESPACE_TERMINATING in error.causes:
                return
            if error.reason == "AlreadyExists":
                pod = await self._client.get(PODS, key)
                if controller_uid(pod) == owner.metadata.uid:
                    self._pods.wrote(pod)
                    return
            self._recorder.event(self._kind, owner, "FailedCreate", f"Error creating: {error}", warning=True)
            raise
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._unsure.setdefault(owner.metadata.uid, []).append(name)
            raise
        self._pods.wrote(pod)
        self._recorder.event(self._kind, owner, "SuccessfulCreate", f"Created pod: {name}")

    async def _delete_one(self, owner: OwnerT, pod: Pod) -> None:
        await delete(self._client, PODS, self._pods, pod)
        self._recorder.event(self._kind, owner, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")

    async def _remove_finalizer(self, pod: Pod) -> None:
        patch = owner_references.without_finalizer(pod, self._finalizer)
        try:
            self._pods.wrote(await self._client.patch(PODS, pod.key, patch))
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    def _owner_name(self, pod: Pod) -> Iterable[Hashable]:
        """Return index keys of pods with the finalizer: the name of their owner, which may be deleted before them."""
        if not self._finalizer or self._finalizer not in pod.metadata.finalizers:
            return ()
        owner = next((o for o in pod.metadata.owner_references if o.controller and o.kind == self._kind.kind), None)
        return (NamespacedName(pod.metadata.namespace, owner.name),) if owner is not None else ()

    def _pod_changed(self, change: Change[Pod]) -> None:
        for pod in (change.old, change.new):
            if pod is None:
                continue
            owner = next((o for o in pod.metadata.owner_references if o.controller), None)
            if owner is None:
                self._orphan_changed(pod)
            elif owner.kind == self._kind.kind:
                self._touch(NamespacedName(pod.metadata.namespace, owner.name))

    def _orphan_changed(self, pod: Pod) -> None:
        for owner in self._owners_by_namespace[pod.metadata.namespace].values():
            if matches(self._selector(owner), pod.metadata.labels):
                self._touch(owner.key)

    def _owner_keys(self, pod: Pod) -> Iterable[Hashable]:
        """Return index keys: pods without a controller by namespace, those of other kinds of owners not at all."""
        owner = next((o for o in pod.metadata.owner_references if o.controller), None)
        if owner is None:
            return (("", pod.metadata.namespace),)
        return (owner.uid,) if owner.kind == self._kind.kind else ()


async def every(work: Iterable[Any]) -> None:
    """Run all at the same time, to the end, then raise the first error."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
