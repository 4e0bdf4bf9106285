"""The ReplicaSet controller: keeps the wanted number of pods."""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp

from podwire.controllers import ownership, replicas
from podwire.controllers.ownership import Claim
from podwire.controllers.queue import WorkQueue
from podwire.controllers.stores import Index, changed_key, controller_uid
from podwire.kube.client import ApiError
from podwire.kube.kinds import PODS, REPLICA_SETS
from podwire.kube.meta import Condition, NamespacedName, timestamp
from podwire.kube.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from podwire.controllers.events import Recorder
    from podwire.controllers.informers import Informers
    from podwire.kube.apps import ReplicaSet
    from podwire.kube.client import Client
    from podwire.kube.core import Pod
    from podwire.kube.watch import Change

log = logging.getLogger(__name__)

AT_ONCE = 50
"""Requests in flight for one set."""


class ReplicaSets:
    """Follows ReplicaSets and pods; one set is worked on by one task at a time."""

    def __init__(self, client: Client, informers: Informers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._sets = informers.of(REPLICA_SETS)
        self._pods = informers.of(PODS)
        self._pods_by_owner = Index(self._pods, _owner_keys)
        self._sets_by_namespace = Index(self._sets, lambda item: [item.metadata.namespace])
        self._unsure: dict[NamespacedName, list[str]] = {}
        self._queue: WorkQueue[NamespacedName] = WorkQueue("replicasets", self.sync)
        self._sets.subscribe(lambda change: self._queue.add(changed_key(change)))
        self._pods.subscribe(self._pod_changed)

    async def run(self) -> None:
        """Work for ever."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Bring one set nearer to what it should be."""
        replica_set = self._sets.objects.get(key)
        if replica_set is None:
            self._unsure.pop(key, None)
            return
        pods = await self._claim(replica_set)
        now = datetime.now(UTC)
        plan = replicas.plan(replica_set, pods, now)
        failure: ApiError | None = None
        try:
            await self._delete(replica_set, plan.delete)
            await self._create(replica_set, plan.create)
        except ApiError as error:
            failure = error
        await self._write_status(replica_set, now, failure)
        if failure is not None:
            raise failure
        if plan.again_after is not None:
            self._queue.add(key, plan.again_after)

    def _pod_changed(self, change: Change[Pod]) -> None:
        for pod in (change.old, change.new):
            if pod is None:
                continue
            owner = next((o for o in pod.metadata.owner_references if o.controller), None)
            if owner is None:
                self._orphan_changed(pod)
            elif owner.kind == "ReplicaSet":
                self._queue.add(NamespacedName(pod.metadata.namespace, owner.name))

    def _orphan_changed(self, pod: Pod) -> None:
        for replica_set in self._sets_by_namespace[pod.metadata.namespace].values():
            if matches(replica_set.spec.selector, pod.metadata.labels):
                self._queue.add(replica_set.key)

    def _owned(self, replica_set: ReplicaSet) -> list[Pod]:
        return list(self._pods_by_owner[replica_set.metadata.uid].values())

    async def _claim(self, replica_set: ReplicaSet) -> list[Pod]:
        """Adopt and release, then answer the pods of the set."""
        orphans = self._pods_by_owner["", replica_set.metadata.namespace].values()
        for pod in [*self._owned(replica_set), *orphans]:
            match ownership.claim(replica_set, replica_set.spec.selector, pod):
                case Claim.ADOPT:
                    patch = ownership.adoption(REPLICA_SETS, replica_set, pod)
                case Claim.RELEASE:
                    patch = ownership.without_owners(pod, frozenset({replica_set.metadata.uid}))
                case _:
                    continue
            self._pods.wrote(await self._client.patch(PODS, pod.key, patch))
        return self._owned(replica_set)

    async def _create(self, replica_set: ReplicaSet, count: int) -> None:
        """Make pods. Names whose creation had no answer come first: the server refuses a name that it has."""
        known = self._pods.objects
        namespace = replica_set.metadata.namespace
        names = [n for n in self._unsure.pop(replica_set.key, []) if NamespacedName(namespace, n) not in known]
        while len(names) < count:
            names.append(replicas.pod_name(replica_set, secrets.token_bytes(16)))
        for start in range(0, count, AT_ONCE):
            group = names[start : min(start + AT_ONCE, count)]
            await _all(self._create_one(replica_set, name) for name in group)

    async def _create_one(self, replica_set: ReplicaSet, name: str) -> None:
        key = NamespacedName(replica_set.metadata.namespace, name)
        try:
            pod = await self._client.create(PODS, replicas.pod_body(replica_set, name), key.namespace)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                pod = await self._client.get(PODS, key)
                if controller_uid(pod) == replica_set.metadata.uid:
                    self._pods.wrote(pod)
                    return
            self._recorder.tell(REPLICA_SETS, replica_set, "FailedCreate", f"Error creating: {error}", warning=True)
            raise
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._unsure.setdefault(replica_set.key, []).append(name)
            raise
        self._pods.wrote(pod)
        self._recorder.tell(REPLICA_SETS, replica_set, "SuccessfulCreate", f"Created pod: {name}")

    async def _delete(self, replica_set: ReplicaSet, pods: Sequence[Pod]) -> None:
        for start in range(0, len(pods), AT_ONCE):
            await _all(self._delete_one(replica_set, pod) for pod in pods[start : start + AT_ONCE])

    async def _delete_one(self, replica_set: ReplicaSet, pod: Pod) -> None:
        try:
            await self._client.delete(PODS, pod.key, uid=pod.metadata.uid)
        except ApiError as error:
            if error.reason not in {"NotFound", "Conflict"}:
                raise
        self._pods.deleted(pod)
        self._recorder.tell(REPLICA_SETS, replica_set, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")

    async def _write_status(self, replica_set: ReplicaSet, now: datetime, failure: ApiError | None) -> None:
        condition = _replica_failure(failure, now) if failure else None
        wanted = replicas.status(replica_set, self._owned(replica_set), now, condition)
        if not replicas.stands(replica_set, wanted):
            body = {"status": wanted}
            self._sets.wrote(await self._client.patch(REPLICA_SETS, replica_set.key, body, "status"))


def _owner_keys(pod: Pod) -> tuple[Any, ...]:
    """Pods without a manager are found by namespace."""
    return (controller_uid(pod) or ("", pod.metadata.namespace),)


def _replica_failure(error: ApiError, now: datetime) -> Condition:
    return Condition(
        type="ReplicaFailure",
        status="True",
        reason="FailedCreate",
        message=str(error),
        last_transition_time=timestamp(now),
    )


async def _all(work: Iterable[Any]) -> None:
    """Do all at the same time, to the end, then raise the first error."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
