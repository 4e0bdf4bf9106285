"""The disruption controller: writes the status of PodDisruptionBudgets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.controllers.disruption import budget as budgets
from podwire.controllers.machinery.status_patch import whole
from podwire.kube.cache import Index, changed_key
from podwire.kube.kinds import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)
from podwire.kube.meta import NamespacedName
from podwire.kube.selectors import matches
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.kube.client import Client
    from podwire.kube.core import Pod
    from podwire.kube.disruption import PodDisruptionBudget
    from podwire.kube.meta import Object
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change


class Disruptions:
    """Follows budgets, pods, and the kinds whose replicas count as expected pods."""

    def __init__(self, client: Client, informers: SharedInformers) -> None:
        self._client = client
        self._budgets = informers.of(POD_DISRUPTION_BUDGETS)
        pods = informers.of(PODS)
        self._deployments = informers.of(DEPLOYMENTS)
        self._replica_sets = informers.of(REPLICA_SETS)
        self._stateful_sets = informers.of(STATEFUL_SETS)
        self._replication_controllers = informers.of(REPLICATION_CONTROLLERS)
        self._by_namespace = Index(self._budgets, _namespace)
        self._pods_by_namespace = Index(pods, _namespace)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("disruption budgets", self.sync)
        self._budgets.subscribe(lambda change: self._queue.add(changed_key(change)))
        pods.subscribe(self._pod_changed)
        scaled = (self._deployments, self._replica_sets, self._stateful_sets, self._replication_controllers)
        for owners in scaled:
            owners.subscribe(self._owner_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Write the status of one budget; a conflict with an eviction is retried."""
        budget = self._budgets.objects.get(key)
        if budget is None:
            return
        pods = [pod for pod in self._pods_by_namespace[key.namespace].values() if _selects(budget, pod)]
        now = datetime.now(UTC)
        desired = budgets.status(budget, pods, self._scales(pods), now)
        if desired.disrupted_pods:
            self._queue.add(key, budgets.FORGET_SECONDS)
        if desired == budget.status:
            return
        status = whole(desired)
        gone = budget.status.disrupted_pods.keys() - desired.disrupted_pods.keys()
        status["disruptedPods"] |= dict.fromkeys(gone)
        body = {"metadata": {"resourceVersion": budget.metadata.resource_version}, "status": status}
        self._budgets.wrote(await self._client.patch(POD_DISRUPTION_BUDGETS, key, body, "status"))

    def _scales(self, pods: Iterable[Pod]) -> dict[str, int]:
        """Return the replicas of the pods' controllers by uid; the sets of one Deployment share its count."""
        found: dict[str, int] = {}
        counted: set[str] = set()
        owners = {(pod.metadata.namespace, o) for pod in pods for o in pod.metadata.owner_references if o.controller}
        for namespace, owner in sorted(owners, key=lambda pair: pair[1].name):
            scale = self._scale(owner.kind, NamespacedName(namespace, owner.name))
            if scale is not None:
                found[owner.uid] = 0 if scale[0] in counted else scale[1]
                counted.add(scale[0])
        return found

    def _scale(self, kind: str, key: NamespacedName) -> tuple[str, int] | None:
        """Return uid and replicas of the object that scales the controller; None for kinds without replicas."""
        if kind == "StatefulSet":
            stateful_set = self._stateful_sets.objects.get(key)
            return None if stateful_set is None else (stateful_set.metadata.uid, stateful_set.spec.replicas)
        if kind == REPLICATION_CONTROLLERS.kind:
            manager = self._replication_controllers.objects.get(key)
            return None if manager is None else (manager.metadata.uid, manager.spec.replicas)
        replica_set = self._replica_sets.objects.get(key) if kind == "ReplicaSet" else None
        if replica_set is None:
            return None
        above = next((owner.name for owner in replica_set.metadata.owner_references if owner.controller), "")
        deployment = self._deployments.objects.get(NamespacedName(key.namespace, above))
        scale = deployment or replica_set
        return scale.metadata.uid, scale.spec.replicas

    def _pod_changed(self, change: Change[Pod]) -> None:
        for pod in (change.old, change.new):
            for budget in self._by_namespace[pod.metadata.namespace].values() if pod is not None else ():
                if pod is not None and _selects(budget, pod):
                    self._queue.add(budget.key)

    def _owner_changed(self, change: Change[Any]) -> None:
        for key in self._by_namespace[changed_key(change).namespace]:
            self._queue.add(key)


def _selects(budget: PodDisruptionBudget, pod: Pod) -> bool:
    return budget.spec.selector is not None and matches(budget.spec.selector, pod.metadata.labels)


def _namespace(item: Object) -> list[str]:
    return [item.metadata.namespace]
