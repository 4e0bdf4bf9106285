"""The StatefulSet controller: pods with stable names, created in order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.controllers.machinery.pod_control import OwnedPods
from podwire.controllers.machinery.status_patch import whole
from podwire.controllers.workloads import controller_revisions, statefulset_plan
from podwire.controllers.workloads.controller_history import ControllerHistory
from podwire.controllers.workloads.replicaset_plan import next_available
from podwire.controllers.workloads.statefulset_plan import Revisions
from podwire.kube.cache import changed_key
from podwire.kube.kinds import STATEFUL_SETS
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.kube.apps import PodTemplate, StatefulSet
    from podwire.kube.client import Client
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers

NO_VOLUMES = (
    "volumeClaimTemplates are stored, but podwire provides no persistent volumes: each pod has an emptyDir in their "
    "place, which is removed with the pod"
)


class StatefulSets:
    """Follows StatefulSets, their pods and their revisions."""

    def __init__(self, client: Client, informers: SharedInformers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._sets = informers.of(STATEFUL_SETS)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("statefulsets", self.sync)
        self._pods = OwnedPods(
            client, informers, recorder, STATEFUL_SETS, lambda item: item.spec.selector, self._queue.add
        )
        self._revisions = ControllerHistory(client, informers, STATEFUL_SETS, self._sets)
        self._warned: set[str] = set()
        self._sets.subscribe(lambda change: self._queue.add(changed_key(change)))

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Take the next step for one set."""
        stateful_set = self._sets.objects.get(key)
        if stateful_set is None:
            return
        self._warn_about_volumes(stateful_set)
        pods = await self._pods.claim(stateful_set)
        revisions = await self._revisions_of(stateful_set)
        now = datetime.now(UTC)
        plan = statefulset_plan.plan(stateful_set, pods, revisions, now)
        try:
            await self._pods.delete(stateful_set, plan.delete)
            await self._pods.create(
                stateful_set, [self._pod_body(stateful_set, number, revisions) for number in plan.create]
            )
        finally:
            await self._write_status(stateful_set, revisions, now)
        pods = self._pods.of(stateful_set)
        await self._revisions.prune(
            stateful_set, {revisions.current, revisions.update, *map(statefulset_plan.revision_of, pods)}
        )
        again = next_available(pods, stateful_set.spec.min_ready_seconds, now)
        if again is not None:
            self._queue.add(key, again)

    async def _revisions_of(self, stateful_set: StatefulSet) -> Revisions:
        """Return the current revision and that of the template; at first they are the same."""
        if stateful_set.metadata.deletion_timestamp is not None:
            return Revisions(stateful_set.status.current_revision, stateful_set.status.update_revision)
        update = (await self._revisions.current(stateful_set)).metadata.name
        known = {revision.metadata.name for revision in self._revisions.of(stateful_set)}
        current = stateful_set.status.current_revision
        return Revisions(current if current in known else update, update)

    def _pod_body(self, stateful_set: StatefulSet, number: int, revisions: Revisions) -> dict[str, Any]:
        name = statefulset_plan.revision_for(stateful_set, number, revisions)
        return statefulset_plan.pod_body(stateful_set, number, self._template(stateful_set, name), name)

    def _template(self, stateful_set: StatefulSet, name: str) -> PodTemplate:
        held = (r for r in self._revisions.of(stateful_set) if r.metadata.name == name)
        revision = next(held, None)
        return stateful_set.spec.template if revision is None else controller_revisions.template_of(revision)

    async def _write_status(self, stateful_set: StatefulSet, revisions: Revisions, now: datetime) -> None:
        desired = statefulset_plan.status(stateful_set, self._pods.of(stateful_set), revisions, now)
        if desired != stateful_set.status:
            body = {"status": whole(desired)}
            self._sets.wrote(await self._client.patch(STATEFUL_SETS, stateful_set.key, body, "status"))

    def _warn_about_volumes(self, stateful_set: StatefulSet) -> None:
        uid = stateful_set.metadata.uid
        if stateful_set.spec.volume_claim_templates and uid not in self._warned:
            self._warned.add(uid)
            self._recorder.event(STATEFUL_SETS, stateful_set, "VolumesNotProvided", NO_VOLUMES, warning=True)
