"""The pods of a Job by what became of them. Pure.

A pod with the finalizer of its Job is not counted yet; without it, it is counted in the status or never was meant to
be. Source: kubernetes `pkg/controller/job/job_controller.go`, `backoff_utils.go`, `tracking_utils.go`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from podwire.controllers.workloads.job_indexes import MAX_COMPLETIONS, failures_before, index_of, read_indexes
from podwire.controllers.workloads.job_policies import FAIL_INDEX, match_failure
from podwire.controllers.workloads.replicaset_plan import active, terminating

if TYPE_CHECKING:
    from podwire.kube.batch import Job
    from podwire.kube.core import Pod

FINALIZER = "batch.kubernetes.io/job-tracking"
FIRST_BACKOFF_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 600.0


class Tally(msgspec.Struct, frozen=True):
    """The pods of a Job. Counts include finished pods that the status does not count yet.

    `failed_indexes` is None without a limit for each index. `last_failed` are the failed pods of those indexes that
    have to be tried again: what counts their failures.
    """

    active: tuple[Pod, ...]
    terminating: tuple[Pod, ...]
    succeeded: int
    failed: int
    succeeded_indexes: frozenset[int]
    failed_indexes: frozenset[int] | None
    last_failed: Mapping[int, Pod]


def tally(job: Job, pods: Sequence[Pod]) -> Tally:
    """Count the pods of a Job."""
    uncounted = job.status.uncounted_terminated_pods
    valid = [pod for pod in pods if tracked(pod) and valid_index(job, pod)]
    good = [pod for pod in valid if pod.status.phase == "Succeeded" and pod.metadata.uid not in uncounted.succeeded]
    bad = [pod for pod in valid if is_failed(job, pod)]
    counted = sum(match_failure(job, pod).counted for pod in bad if pod.metadata.uid not in uncounted.failed)
    alive = tuple(pod for pod in pods if active(pod))
    succeeded_indexes = completed(job) | {index_of(pod) for pod in good} if job.spec.indexed else frozenset[int]()
    failed_indexes = _failed_indexes(job, bad)
    done = frozenset(index for index in succeeded_indexes if index is not None)
    settled = done | (failed_indexes or frozenset()) | {index_of(pod) for pod in alive}
    return Tally(
        active=alive,
        terminating=tuple(pod for pod in pods if terminating(pod)),
        succeeded=len(done) if job.spec.indexed else job.status.succeeded + len(good) + len(uncounted.succeeded),
        failed=job.status.failed + counted + len(uncounted.failed),
        succeeded_indexes=done,
        failed_indexes=failed_indexes,
        last_failed=_last_failed([pod for pod in bad if index_of(pod) not in settled]),
    )


def tracked(pod: Pod) -> bool:
    """Return whether the pod has the finalizer of its Job."""
    return FINALIZER in pod.metadata.finalizers


def is_failed(job: Job, pod: Pod) -> bool:
    """Return whether the pod failed. One being deleted counts, unless only failed pods are to be replaced."""
    if pod.status.phase == "Failed":
        return True
    deleted = pod.metadata.deletion_timestamp is not None and pod.status.phase != "Succeeded"
    return deleted and job.spec.pod_replacement_policy != "Failed"


def valid_index(job: Job, pod: Pod) -> bool:
    """Return whether the pod has an index of the Job, where it needs one."""
    index = index_of(pod)
    return not job.spec.indexed or (index is not None and index < (job.spec.completions or 0))


def completed(job: Job) -> frozenset[int]:
    """Return the indexes that the status has as completed."""
    return frozenset(read_indexes(job.status.completed_indexes, min(job.spec.completions or 0, MAX_COMPLETIONS)))


def next_failures(job: Job, before: Pod | None) -> tuple[int, int]:
    """Return the failures of an index, counted and ignored, after its pod `before` failed."""
    if before is None:
        return 0, 0
    counted, ignored = failures_before(before)
    return (counted + 1, ignored) if match_failure(job, before).counted else (counted, ignored + 1)


def backoff_left(job: Job, pods: Sequence[Pod], now: datetime) -> float:
    """Return the seconds before a pod may replace failed ones; it doubles with each failure since the last success."""
    succeeded = max((finished_at(pod) for pod in pods if pod.status.phase == "Succeeded"), default=-math.inf)
    own_end = [pod for pod in pods if tracked(pod) or pod.metadata.deletion_timestamp is None]
    failed = [at for pod in own_end if is_failed(job, pod) and (at := finished_at(pod)) > succeeded]
    return _left(len(failed), max(failed, default=0.0), now)


def index_backoff_left(before: Pod | None, now: datetime) -> float:
    """Return the seconds before a pod may replace the failed pod `before` of its index."""
    if before is None:
        return 0.0
    return _left(sum(failures_before(before)) + 1, finished_at(before), now)


def finished_at(pod: Pod) -> float:
    """Return when the pod ended, in seconds since the epoch: from the most exact field that is set."""
    ends = [status.state.terminated for status in pod.status.container_statuses]
    times = [end.finished_at for end in ends if end is not None and end.finished_at is not None]
    if times and len(times) == len(ends):
        return max(map(_moment, times))
    not_ready = (c.last_transition_time for c in pod.status.conditions if c.type == "Ready" and c.status == "False")
    if since := next(not_ready, None):
        return _moment(since)
    if pod.metadata.deletion_timestamp is not None:
        return _moment(pod.metadata.deletion_timestamp) - (pod.metadata.deletion_grace_period_seconds or 0)
    return _moment(pod.metadata.creation_timestamp)


def _failed_indexes(job: Job, failed: Sequence[Pod]) -> frozenset[int] | None:
    limit = job.spec.backoff_limit_per_index
    if limit is None or not job.spec.indexed:
        return None
    before = read_indexes(job.status.failed_indexes or "", min(job.spec.completions or 0, MAX_COMPLETIONS))
    found = set()
    for pod in failed:
        match, index = match_failure(job, pod), index_of(pod)
        if index is not None and (match.action == FAIL_INDEX or (match.counted and failures_before(pod)[0] >= limit)):
            found.add(index)
    return frozenset(before | found)


def _last_failed(failed: Sequence[Pod]) -> dict[int, Pod]:
    """Return the failed pod with the most failures of each index, the latest of several."""
    ordered = sorted(failed, key=lambda pod: (sum(failures_before(pod)), finished_at(pod), pod.metadata.name))
    return {index: pod for pod in ordered if (index := index_of(pod)) is not None}


def _left(failures: int, since: float, now: datetime) -> float:
    if not failures:
        return 0.0
    delay = min(LONGEST_BACKOFF_SECONDS, math.ldexp(FIRST_BACKOFF_SECONDS, min(failures - 1, 10)))
    return max(0.0, delay - (now.timestamp() - since))


def _moment(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
