"""The next step of a Job: which pods to create and delete, and whether it is done. Pure.

Source: kubernetes `pkg/controller/job/job_controller.go` (syncJob, manageJob).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.machinery.owner_references import reference
from podwire.controllers.workloads import job_policies, job_tally
from podwire.controllers.workloads.job_indexes import FAILURE_COUNT, IGNORED_FAILURE_COUNT, INDEX, index_of
from podwire.controllers.workloads.replicaset_plan import LONGEST_NAME_BASE, name_prefix, victims
from podwire.kube.kinds import JOBS

if TYPE_CHECKING:
    from podwire.controllers.workloads.job_tally import Tally
    from podwire.kube.batch import Job
    from podwire.kube.core import Pod

INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
MAX_PER_SYNC = 500
"""Pods created or deleted in one step."""

SUCCESS = "SuccessCriteriaMet"
FAILURE = "FailureTarget"
FINAL = {SUCCESS: "Complete", FAILURE: "Failed"}
"""The conditions that announce the end of a Job, and those that are set once none of its pods runs any more."""


class Verdict(msgspec.Struct, frozen=True):
    """Why a Job ends. `type` is SuccessCriteriaMet or FailureTarget."""

    type: str
    reason: str
    message: str

    @property
    def success(self) -> bool:
        """Whether the Job succeeded."""
        return self.type == SUCCESS


class Plan(msgspec.Struct, frozen=True):
    """What to do next. `create` has an index for each new pod, None without indexes; `again_after` is in seconds.

    Pods in `delete` were not allowed to end by themselves: they count as neither succeeded nor failed.
    """

    create: tuple[int | None, ...] = ()
    delete: tuple[Pod, ...] = ()
    again_after: float | None = None


def verdict(job: Job, pods: Sequence[Pod], counts: Tally, now: datetime) -> Verdict | None:
    """Return why the Job ends now; None while it has to go on. An announced end stays."""
    for announced in (job.condition(SUCCESS), job.condition(FAILURE)):
        if announced is not None:
            return Verdict(announced.type, announced.reason, announced.message)
    return next(_failures(job, pods, counts, now), None) or _success(job, counts)


def complete(job: Job, counts: Tally) -> Verdict | None:
    """Return the verdict of a Job with enough succeeded pods and no active ones."""
    desired = job.spec.completions
    enough = counts.succeeded >= desired if desired is not None else counts.succeeded > 0
    if not enough or counts.active:
        return None
    return Verdict(SUCCESS, "CompletionsReached", "Reached expected number of succeeded pods")


def manage(job: Job, pods: Sequence[Pod], counts: Tally, now: datetime) -> Plan:
    """Return the next step of a Job without a verdict."""
    if job.metadata.deletion_timestamp is not None:
        return Plan()
    if job.spec.suspend:
        return Plan(delete=counts.active)
    again = _deadline_left(job, now)
    desired = _desired_active(job, counts)
    delete = _for_removal(job, counts.active, max(0, len(counts.active) - desired))[:MAX_PER_SYNC]
    if delete:
        return Plan(delete=tuple(delete), again_after=again)
    replaced_later = len(counts.terminating) if job.spec.pod_replacement_policy == "Failed" else 0
    missing = min(desired - replaced_later - len(counts.active), MAX_PER_SYNC)
    if missing <= 0:
        return Plan(again_after=again)
    if counts.failed_indexes is None and (left := job_tally.backoff_left(job, pods, now)) > 0:
        return Plan(again_after=_earlier(again, left))
    create: list[int | None] = list(_pending_indexes(job, counts, missing)) if job.spec.indexed else [None] * missing
    waits = [job_tally.index_backoff_left(counts.last_failed.get(index), now) for index in create if index is not None]
    if counts.failed_indexes is not None:
        create = [index for index, wait in zip(create, waits, strict=True) if not wait]
        if (pause := min(filter(None, waits), default=None)) is not None:
            again = _earlier(again, pause)
    return Plan(create=tuple(create), again_after=again)


def expires_in(job: Job, now: datetime) -> float | None:
    """Return the seconds until a finished Job is deleted; None where it stays."""
    end, seconds = job.finished, job.spec.ttl_seconds_after_finished
    if end is None or seconds is None or end.last_transition_time is None:
        return None
    since = datetime.fromisoformat(end.last_transition_time)
    return max(0.0, (since + timedelta(seconds=seconds) - now).total_seconds())


def pod_prefix(job: Job, index: int | None) -> str:
    """Return the prefix of the name of a new pod."""
    if index is None:
        return name_prefix(job)
    suffix = f"-{index}-"
    return job.metadata.name[: LONGEST_NAME_BASE - len(suffix)] + suffix


def pod_body(job: Job, name: str, index: int | None, before: Pod | None = None) -> dict[str, Any]:
    """Return a new pod as JSON. `before` is the failed pod of the same index that it replaces.

    Its index is a label, an annotation, a part of its hostname and a variable of each container.
    """
    template = job.spec.template
    finalizers = list(dict.fromkeys([*(template.metadata.get("finalizers") or []), job_tally.FINALIZER]))
    metadata = {**template.metadata, "name": name, "namespace": job.metadata.namespace, "finalizers": finalizers}
    metadata |= {"generateName": pod_prefix(job, index), "ownerReferences": [reference(JOBS, job)]}
    spec = template.spec
    if index is not None:
        metadata["labels"] = {**(metadata.get("labels") or {}), INDEX: str(index)}
        annotations = {INDEX: str(index), **_failure_counts(job, before)}
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
        spec = {**spec, "hostname": f"{job.metadata.name}-{index}"}
        for part in ("containers", "initContainers"):
            if part in spec:
                spec[part] = [_with_index_variable(container) for container in spec[part]]
    return {"metadata": metadata, "spec": spec}


def _failures(job: Job, pods: Sequence[Pod], counts: Tally, now: datetime) -> Iterator[Verdict]:
    spec = job.spec
    for pod in pods:
        if spec.pod_failure_policy is not None and job_tally.is_failed(job, pod):
            match = job_policies.match_failure(job, pod)
            if match.action == job_policies.FAIL_JOB:
                yield Verdict(FAILURE, "PodFailurePolicy", match.message)
    if counts.failed > spec.backoff_limit or _restarts_too_often(job, pods):
        yield Verdict(FAILURE, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = _deadline_left(job, now)
    if left is not None and left <= 0:
        yield Verdict(FAILURE, "DeadlineExceeded", "Job was active longer than specified deadline")
    failed = len(counts.failed_indexes or ())
    if spec.max_failed_indexes is not None and failed > spec.max_failed_indexes:
        message = "Job has exceeded the specified maximal number of failed indexes"
        yield Verdict(FAILURE, "MaxFailedIndexesExceeded", message)
    if failed and failed + len(counts.succeeded_indexes) >= (spec.completions or 0):
        yield Verdict(FAILURE, "FailedIndexes", "Job has failed indexes")


def _success(job: Job, counts: Tally) -> Verdict | None:
    if not job.spec.indexed:
        return None
    rule = job_policies.met_success_rule(job.spec.success_policy, counts.succeeded_indexes, job.spec.completions or 0)
    return None if rule is None else Verdict(SUCCESS, "SuccessPolicy", f"Matched rules at index {rule}")


def _restarts_too_often(job: Job, pods: Sequence[Pod]) -> bool:
    """Return whether containers that restart in their pods, each a failure, exceed the limit."""
    if job.spec.template.spec.get("restartPolicy") != "OnFailure":
        return False
    statuses = (pod.status for pod in pods if pod.status.phase in {"Running", "Pending"})
    restarts = sum(
        state.restart_count
        for status in statuses
        for state in (*status.container_statuses, *status.init_container_statuses)
    )
    return restarts > 0 and restarts >= max(1, job.spec.backoff_limit)


def _deadline_left(job: Job, now: datetime) -> float | None:
    if job.spec.active_deadline_seconds is None or job.status.start_time is None or job.spec.suspend:
        return None
    since = datetime.fromisoformat(job.status.start_time)
    return (since + timedelta(seconds=job.spec.active_deadline_seconds) - now).total_seconds()


def _desired_active(job: Job, counts: Tally) -> int:
    """Return how many pods should run. Without `completions` one success means that no new ones are created."""
    if job.spec.completions is None:
        return len(counts.active) if counts.succeeded else job.spec.parallelism
    return max(0, min(job.spec.parallelism, job.spec.completions - counts.succeeded))


def _for_removal(job: Job, active: Sequence[Pod], at_least: int) -> list[Pod]:
    """Return pods without a valid index and second pods of an index, then as many others as are too many."""
    remove: list[Pod] = []
    left = list(active)
    if job.spec.indexed:
        remove = [pod for pod in left if not job_tally.valid_index(job, pod)]
        by_index = sorted((pod for pod in left if pod not in remove), key=lambda pod: index_of(pod) or 0)
        for _, group in itertools.groupby(by_index, key=index_of):
            same = list(group)
            remove += victims(same, len(same) - 1)
        left = [pod for pod in left if pod not in remove]
    return remove + victims(left, max(0, at_least - len(remove)))


def _pending_indexes(job: Job, counts: Tally, count: int) -> Iterable[int]:
    """Return the first indexes that are neither done, nor failed for good, nor active."""
    taken = counts.succeeded_indexes | (counts.failed_indexes or frozenset()) | {index_of(pod) for pod in counts.active}
    if job.spec.pod_replacement_policy == "Failed":
        taken |= {index_of(pod) for pod in counts.terminating}
    return itertools.islice((i for i in range(job.spec.completions or 0) if i not in taken), count)


def _failure_counts(job: Job, before: Pod | None) -> dict[str, str]:
    if job.spec.backoff_limit_per_index is None:
        return {}
    counted, ignored = job_tally.next_failures(job, before)
    return {FAILURE_COUNT: str(counted), **({IGNORED_FAILURE_COUNT: str(ignored)} if ignored else {})}


def _with_index_variable(container: dict[str, Any]) -> dict[str, Any]:
    env = container.get("env") or []
    if any(variable.get("name") == INDEX_VARIABLE for variable in env):
        return container
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    return {**container, "env": [*env, {"name": INDEX_VARIABLE, "valueFrom": source}]}


def _earlier(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)
