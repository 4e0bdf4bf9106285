"""The next step of a StatefulSet, in the order of its ordinals, and its status. Pure.

Source: kubernetes `pkg/controller/statefulset/stateful_set_control.go`, `stateful_set_utils.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.machinery.owner_references import reference
from podwire.controllers.workloads.controller_revisions import HASH_LABEL
from podwire.controllers.workloads.replicaset_plan import unavailable_for
from podwire.kube.apps import PodTemplate, StatefulSetStatus, scaled
from podwire.kube.kinds import STATEFUL_SETS

if TYPE_CHECKING:
    from podwire.kube.apps import StatefulSet
    from podwire.kube.core import Pod

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"


class Plan(msgspec.Struct, frozen=True):
    """The next step: ordinals to create, pods to delete."""

    create: tuple[int, ...] = ()
    delete: tuple[Pod, ...] = ()


class Revisions(msgspec.Struct, frozen=True):
    """Names of the current revision and of the update revision."""

    current: str
    update: str


def ordinal(stateful_set: StatefulSet, pod: Pod) -> int | None:
    """Return the ordinal in the pod's name; None for a name that the set does not create."""
    beginning, _, number = pod.metadata.name.rpartition("-")
    plain = number.isdecimal() and number == str(int(number))
    return int(number) if plain and beginning == stateful_set.metadata.name else None


def numbers(stateful_set: StatefulSet) -> range:
    """Return the ordinals that the set should have."""
    start = stateful_set.spec.ordinals.start
    return range(start, start + stateful_set.spec.replicas)


def plan(stateful_set: StatefulSet, pods: Iterable[Pod], revisions: Revisions, now: datetime) -> Plan:
    """Return the next step; with OrderedReady one pod at a time, each once all before it are available."""
    found = {number: pod for pod in pods if (number := ordinal(stateful_set, pod)) is not None}
    if stateful_set.metadata.deletion_timestamp is not None:
        return Plan()
    step = _Step(stateful_set, found, revisions, now)
    if step.scale_up() and step.scale_down():
        step.update()
    return step.plan


class _Step:
    """One pass over the pods of a set. Each method returns whether the next one may run."""

    def __init__(
        self, stateful_set: StatefulSet, found: Mapping[int, Pod], revisions: Revisions, now: datetime
    ) -> None:
        self._set = stateful_set
        self._found = found
        self._revisions = revisions
        self._now = now
        self._ordered = stateful_set.spec.pod_management_policy != "Parallel"
        self._create: list[int] = []
        self._delete: list[Pod] = []

    @property
    def plan(self) -> Plan:
        return Plan(tuple(self._create), tuple(self._delete))

    def scale_up(self) -> bool:
        """Upwards: create missing pods, replace finished ones."""
        for number in numbers(self._set):
            pod = self._found.get(number)
            if pod is None:
                self._create.append(number)
            elif pod.finished and not _terminating(pod):
                self._delete.append(pod)
            elif self._available(pod):
                continue
            if self._ordered:
                return False
        return True

    def scale_down(self) -> bool:
        """Downwards: delete surplus pods, as long as all others are available."""
        desired = numbers(self._set)
        unavailable = [number for number, pod in self._found.items() if not self._available(pod)]
        first = min(unavailable, key=lambda number: (number not in desired, number), default=None)
        for number in sorted((n for n in self._found if n not in desired), reverse=True):
            pod = self._found[number]
            if not _terminating(pod) and (not self._ordered or self._available(pod) or number == first):
                self._delete.append(pod)
            if self._ordered:
                return False
        return True

    def update(self) -> None:
        """Downwards to the partition: delete pods of other revisions, at most maxUnavailable at a time."""
        strategy = self._set.spec.update_strategy
        if strategy.type != "RollingUpdate":
            return
        limit = max(1, scaled(strategy.rolling_update.max_unavailable, self._set.spec.replicas, round_up=True))
        first = numbers(self._set).start + strategy.rolling_update.partition
        unavailable = 0
        for number in reversed(numbers(self._set)):
            pod = self._found.get(number)
            if number < first or unavailable >= limit:
                return
            if pod is None or pod in self._delete:
                unavailable += 1
            elif not _terminating(pod) and revision_of(pod) != self._revisions.update:
                self._delete.append(pod)
                unavailable += 1
            elif not self._available(pod):
                unavailable += 1

    def _available(self, pod: Pod) -> bool:
        running = pod.status.phase == "Running" and pod.ready and not _terminating(pod)
        return running and unavailable_for(pod, self._set.spec.min_ready_seconds, self._now) == 0


def revision_of(pod: Pod) -> str:
    """Return the revision that a pod was created from."""
    return pod.metadata.labels.get(HASH_LABEL, "")


def revision_for(stateful_set: StatefulSet, number: int, revisions: Revisions) -> str:
    """Return the revision of a pod that is created now: below the partition the current one."""
    strategy = stateful_set.spec.update_strategy
    first = numbers(stateful_set).start + strategy.rolling_update.partition
    kept = strategy.type == "RollingUpdate" and number < first
    return revisions.current if kept else revisions.update


def status(stateful_set: StatefulSet, pods: Iterable[Pod], revisions: Revisions, now: datetime) -> StatefulSetStatus:
    """Return the status computed from the pods. When all are updated, the update revision becomes the current one."""
    spec = stateful_set.spec
    mine = [pod for pod in pods if ordinal(stateful_set, pod) is not None]
    staying = [pod for pod in mine if not _terminating(pod)]
    ready = [pod for pod in staying if pod.status.phase == "Running" and pod.ready]
    counts = StatefulSetStatus(
        observed_generation=stateful_set.metadata.generation,
        replicas=len(mine),
        ready_replicas=len(ready),
        available_replicas=sum(unavailable_for(pod, spec.min_ready_seconds, now) == 0 for pod in ready),
        current_replicas=sum(revision_of(pod) == revisions.current for pod in staying),
        updated_replicas=sum(revision_of(pod) == revisions.update for pod in staying),
        current_revision=revisions.current,
        update_revision=revisions.update,
        collision_count=stateful_set.status.collision_count,
    )
    done = counts.updated_replicas == counts.replicas == counts.ready_replicas == spec.replicas
    if done and spec.update_strategy.type == "RollingUpdate":
        return msgspec.structs.replace(
            counts, current_replicas=counts.updated_replicas, current_revision=revisions.update
        )
    return counts


def pod_body(stateful_set: StatefulSet, number: int, template: PodTemplate, revision: str) -> dict[str, Any]:
    """Return the pod of an ordinal as JSON: its name is its hostname, the governing Service its subdomain."""
    name = f"{stateful_set.metadata.name}-{number}"
    labels = {**template.labels, POD_NAME_LABEL: name, POD_INDEX_LABEL: str(number), HASH_LABEL: revision}
    spec = {**template.spec, "hostname": name}
    if stateful_set.spec.service_name:
        spec["subdomain"] = stateful_set.spec.service_name
    if claims := list(_claim_names(stateful_set)):
        spec["volumes"] = _with_empty_dirs(template.spec.get("volumes") or [], claims)
    return {
        "metadata": {
            **template.metadata,
            "labels": labels,
            "name": name,
            "namespace": stateful_set.metadata.namespace,
            "ownerReferences": [reference(STATEFUL_SETS, stateful_set)],
        },
        "spec": spec,
    }


def _claim_names(stateful_set: StatefulSet) -> Iterator[str]:
    for claim in stateful_set.spec.volume_claim_templates:
        yield str(claim.get("metadata", {}).get("name", ""))


def _with_empty_dirs(volumes: Sequence[dict[str, Any]], claims: Sequence[str]) -> list[dict[str, Any]]:
    """Return the volumes with an emptyDir in place of each claim: podwire provides no persistent volumes."""
    others = [volume for volume in volumes if volume.get("name") not in claims]
    return [*others, *({"name": name, "emptyDir": {}} for name in claims)]


def _terminating(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None
