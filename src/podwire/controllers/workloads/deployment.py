"""The Deployment controller: one ReplicaSet for each template, and the rollout from one to the next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.controllers.machinery import owner_references
from podwire.controllers.machinery.deletion import delete
from podwire.controllers.machinery.status_patch import COLLISIONS, whole, with_conditions
from podwire.controllers.workloads import (
    deployment_revisions,
    deployment_rollout,
    deployment_scaling,
    deployment_status,
)
from podwire.kube.cache import Index, changed_key, controller_uid
from podwire.kube.client import ApiError
from podwire.kube.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.kube.apps import Deployment, ReplicaSet
    from podwire.kube.client import Client
    from podwire.kube.core import Pod
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change


class Deployments:
    """Follows Deployments, their ReplicaSets and, for Recreate, the sets' pods."""

    def __init__(self, client: Client, informers: SharedInformers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._deployments = informers.of(DEPLOYMENTS)
        self._sets = informers.of(REPLICA_SETS)
        pods = informers.of(PODS)
        self._by_namespace = Index(self._deployments, lambda item: [item.metadata.namespace])
        self._sets_by_owner = Index(self._sets, _owner_keys)
        self._pods_by_owner = Index(pods, lambda pod: [controller_uid(pod)])
        self._queue: WorkQueue[NamespacedName] = WorkQueue("deployments", self.sync)
        self._deployments.subscribe(lambda change: self._queue.add(changed_key(change)))
        self._sets.subscribe(self._set_changed)
        pods.subscribe(self._pod_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Take the next step for one Deployment."""
        deployment = self._deployments.objects.get(key)
        if deployment is None:
            return
        sets = await self._claim(deployment)
        current, old = deployment_revisions.split(deployment, sets)
        if deployment.metadata.deletion_timestamp is None:
            await self._roll(deployment, current, old)
        await self._write_status(deployment)

    def _set_changed(self, change: Change[ReplicaSet]) -> None:
        for replica_set in (change.old, change.new):
            if replica_set is not None:
                self._touch_owner(replica_set)

    def _touch_owner(self, replica_set: ReplicaSet) -> None:
        owner = next((o for o in replica_set.metadata.owner_references if o.controller), None)
        if owner is None:
            for deployment in self._by_namespace[replica_set.metadata.namespace]:
                self._queue.add(deployment)
        elif owner.kind == "Deployment":
            self._queue.add(NamespacedName(replica_set.metadata.namespace, owner.name))

    def _pod_changed(self, change: Change[Pod]) -> None:
        """Recreate waits for the end of the last old pod; nothing else here reads pods."""
        if change.old is None or (change.new is not None and not change.new.finished):
            return
        for owner in change.old.metadata.owner_references:
            replica_set = self._sets.objects.get(NamespacedName(change.old.metadata.namespace, owner.name))
            if owner.kind == "ReplicaSet" and replica_set is not None:
                self._touch_owner(replica_set)

    def _owned(self, deployment: Deployment) -> list[ReplicaSet]:
        return list(self._sets_by_owner[deployment.metadata.uid].values())

    async def _claim(self, deployment: Deployment) -> list[ReplicaSet]:
        """Adopt and release ReplicaSets, then return those of the Deployment."""
        orphans = self._sets_by_owner["", deployment.metadata.namespace].values()
        for item in [*self._owned(deployment), *orphans]:
            patch = owner_references.claim_patch(DEPLOYMENTS, deployment, deployment.spec.selector, item)
            if patch is not None:
                self._sets.wrote(await self._client.patch(REPLICA_SETS, item.key, patch))
        return self._owned(deployment)

    async def _roll(self, deployment: Deployment, current: ReplicaSet | None, old: Sequence[ReplicaSet]) -> None:
        """Take one step: towards a new count of replicas, else of the rollout."""
        sets = [*old, current] if current is not None else old
        scaling = deployment.spec.paused or deployment_scaling.is_scaling(deployment, sets)
        if scaling:
            size, old_sizes = deployment_scaling.sizes(deployment, current, old)
        else:
            size, old_sizes = deployment_rollout.sizes(deployment, current, old, self._running(old))
        revision = deployment_revisions.current_number(current, old)
        if current is not None:
            annotations = deployment_revisions.changed_annotations(deployment, current, revision)
            await self._resize(deployment, current, size, mark=scaling, annotations=annotations)
        elif size is not None:
            await self._create(deployment, size, revision)
        for replica_set, count in zip(old, old_sizes, strict=True):
            await self._resize(deployment, replica_set, count, mark=scaling and count > 0)
        for replica_set in deployment_revisions.expired(deployment, old):
            await delete(self._client, REPLICA_SETS, self._sets, replica_set)
        if size is not None and deployment.metadata.annotations.get(deployment_revisions.REVISION) != str(revision):
            patch = {"metadata": {"annotations": {deployment_revisions.REVISION: str(revision)}}}
            self._deployments.wrote(await self._client.patch(DEPLOYMENTS, deployment.key, patch))

    def _running(self, old: Sequence[ReplicaSet]) -> int:
        return sum(not pod.finished for s in old for pod in self._pods_by_owner[s.metadata.uid].values())

    async def _create(self, deployment: Deployment, size: int, revision: int) -> None:
        body = deployment_revisions.body(deployment, size, revision)
        try:
            made = await self._client.create(REPLICA_SETS, body, deployment.metadata.namespace)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._collided(deployment, body["metadata"]["name"])
            raise
        self._sets.wrote(made)
        self._record_scaling(deployment, made, 0, size)

    async def _collided(self, deployment: Deployment, name: str) -> None:
        """Handle a taken name: unless the set is the Deployment's own, the next attempt hashes to another name."""
        existing = await self._client.get(REPLICA_SETS, NamespacedName(deployment.metadata.namespace, name))
        if controller_uid(existing) == deployment.metadata.uid:
            self._sets.wrote(existing)
            return
        patch = {"status": {"collisionCount": deployment.status.collision_count + 1}}
        self._deployments.wrote(await self._client.patch(DEPLOYMENTS, deployment.key, patch, "status"))

    async def _resize(
        self,
        deployment: Deployment,
        replica_set: ReplicaSet,
        size: int | None,
        *,
        mark: bool,
        annotations: dict[str, str] | None = None,
    ) -> None:
        """Write what differs. With a new size, or `mark`, the set is annotated with the replicas it was sized for.

        `annotations` are those of the current set, which alone follows minReadySeconds: pods of old sets that are
        available stay so.
        """
        before = replica_set.spec.replicas
        spec: dict[str, Any] = {}
        if size is not None and size != before:
            spec["replicas"] = size
        if annotations is not None and replica_set.spec.min_ready_seconds != deployment.spec.min_ready_seconds:
            spec["minReadySeconds"] = deployment.spec.min_ready_seconds
        annotations = annotations or {}
        if mark or "replicas" in spec:
            marks = deployment_scaling.size_annotations(deployment)
            have = replica_set.metadata.annotations
            annotations = annotations | {key: text for key, text in marks.items() if have.get(key) != text}
        if not spec and not annotations:
            return
        metadata = {"resourceVersion": replica_set.metadata.resource_version, "annotations": annotations}
        patch = {"metadata": metadata, "spec": spec}
        self._sets.wrote(await self._client.patch(REPLICA_SETS, replica_set.key, patch))
        if "replicas" in spec:
            self._record_scaling(deployment, replica_set, before, spec["replicas"])

    async def _write_status(self, deployment: Deployment) -> None:
        now = datetime.now(UTC)
        deployment = self._deployments.objects.get(deployment.key, deployment)
        current, old = deployment_revisions.split(deployment, self._owned(deployment))
        desired = deployment_status.status(deployment, current, old, now)
        if desired != deployment.status:
            status = whole(desired, unless_zero=COLLISIONS)
            body = with_conditions(deployment, status, deployment.status.conditions)
            deployment = self._deployments.wrote(await self._client.patch(DEPLOYMENTS, deployment.key, body, "status"))
        left = deployment_status.deadline_left(deployment, now)
        if left is not None:
            self._queue.add(deployment.key, left + 1)

    def _record_scaling(self, deployment: Deployment, replica_set: ReplicaSet, before: int, after: int) -> None:
        if before == after:
            return
        direction = "up" if after > before else "down"
        message = f"Scaled {direction} replica set {replica_set.metadata.name} from {before} to {after}"
        self._recorder.event(DEPLOYMENTS, deployment, "ScalingReplicaSet", message)


def _owner_keys(replica_set: ReplicaSet) -> tuple[Any, ...]:
    """Return index keys; sets without a controller are found by namespace."""
    return (controller_uid(replica_set) or ("", replica_set.metadata.namespace),)
