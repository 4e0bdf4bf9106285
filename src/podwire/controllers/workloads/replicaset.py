"""The ReplicaSet controller: keeps the desired number of pods of one template. ReplicationControllers are the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from podwire.controllers.machinery.pod_control import OwnedPods
from podwire.controllers.machinery.status_patch import whole, with_conditions
from podwire.controllers.workloads import replicaset_plan
from podwire.kube.apps import ReplicaSet, ReplicationController
from podwire.kube.cache import changed_key
from podwire.kube.client import ApiError
from podwire.kube.kinds import REPLICA_SETS
from podwire.kube.meta import Condition, LabelSelector, NamespacedName, timestamp
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.kube.cache import Store
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change


SetT = TypeVar("SetT", ReplicaSet, ReplicationController)


class ReplicaSets(Generic[SetT]):
    """Follows ReplicaSets, or ReplicationControllers, and their pods."""

    def __init__(
        self,
        client: Client,
        informers: SharedInformers,
        recorder: Recorder,
        kind: Kind[SetT] = REPLICA_SETS,  # type: ignore[assignment]
    ) -> None:
        self._client = client
        self._kind: Kind[SetT] = kind
        self._sets: Store[SetT] = informers.of(kind)
        self._queue: WorkQueue[NamespacedName] = WorkQueue(kind.resource, self.sync)
        self._pods: OwnedPods[SetT] = OwnedPods(client, informers, recorder, kind, _selector, self._queue.add)
        self._sets.subscribe(self._changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Take the next step for one set."""
        replica_set = self._sets.objects.get(key)
        if replica_set is None:
            return
        pods = await self._pods.claim(replica_set)
        now = datetime.now(UTC)
        plan = replicaset_plan.plan(replica_set, pods, now)
        failure: ApiError | None = None
        try:
            await self._pods.delete(replica_set, plan.delete)
            names = self._pods.names(replica_set, [replicaset_plan.name_prefix(replica_set)] * plan.create)
            await self._pods.create(
                replica_set, [replicaset_plan.pod_body(self._kind, replica_set, name) for name in names]
            )
        except ApiError as error:
            failure = error
        await self._write_status(replica_set, now, failure)
        if failure is not None:
            raise failure
        if plan.again_after is not None:
            self._queue.add(key, plan.again_after)

    def _changed(self, change: Change[SetT]) -> None:
        if change.new is None and change.old is not None:
            self._pods.owner_deleted(change.old.metadata.uid)
        self._queue.add(changed_key(change))

    async def _write_status(self, replica_set: SetT, now: datetime, failure: ApiError | None) -> None:
        condition = _replica_failure(failure, now) if failure else None
        desired = replicaset_plan.status(replica_set, self._pods.of(replica_set), now, condition)
        if desired != replica_set.status:
            body = with_conditions(replica_set, whole(desired), replica_set.status.conditions)
            self._sets.wrote(await self._client.patch(self._kind, replica_set.key, body, "status"))


def _selector(replica_set: ReplicaSet | ReplicationController) -> LabelSelector:
    selector = replica_set.spec.selector
    return selector if isinstance(selector, LabelSelector) else LabelSelector(match_labels=selector)


def _replica_failure(error: ApiError, now: datetime) -> Condition:
    return Condition(
        type=replicaset_plan.REPLICA_FAILURE,
        status="True",
        reason="FailedCreate",
        message=str(error),
        last_transition_time=timestamp(now),
    )
