"""The status of a Job, and the pods that it has counted. Pure.

A finished pod is counted in three steps, so that none is lost or counted twice whatever ends in between: its uid goes
into `uncountedTerminatedPods`; its finalizer is removed; its uid leaves that list for a count. A completed index needs
no uid. Source: kubernetes `pkg/controller/job/job_controller.go` (trackJobStatusAndRemoveFinalizers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.workloads import job_tally
from podwire.controllers.workloads.job_indexes import index_of, write_indexes
from podwire.controllers.workloads.job_plan import FINAL, SUCCESS
from podwire.controllers.workloads.job_policies import match_failure
from podwire.kube.batch import JobCondition, JobStatus, UncountedTerminatedPods
from podwire.kube.meta import timestamp

if TYPE_CHECKING:
    from podwire.controllers.workloads.job_plan import Verdict
    from podwire.controllers.workloads.job_tally import Tally
    from podwire.kube.batch import Job
    from podwire.kube.core import Pod

MAX_UNCOUNTED = 500
"""Uids in a status; further pods are counted in the next step."""


class Tracked(msgspec.Struct, frozen=True):
    """The status to write, and the pods whose finalizer may be removed once it is written."""

    status: JobStatus
    release: tuple[Pod, ...] = ()


@dataclass(slots=True)
class _Uncounted:
    """The uids and indexes that one step adds."""

    succeeded: list[str]
    failed: list[str]
    indexes: set[int]

    @property
    def full(self) -> bool:
        return len(self.succeeded) + len(self.failed) + len(self.indexes) >= MAX_UNCOUNTED


def track(job: Job, pods: Sequence[Pod], verdict: Verdict | None, now: datetime) -> Tracked:
    """Return the status that the pods and the verdict amount to."""
    counts = job_tally.tally(job, pods)
    before, uids = job.status, {pod.metadata.uid for pod in pods if job_tally.tracked(pod)}
    uncounted = before.uncounted_terminated_pods
    completed = job_tally.completed(job)
    new = _Uncounted(
        [uid for uid in uncounted.succeeded if uid in uids], [uid for uid in uncounted.failed if uid in uids], set()
    )
    release = []
    for pod in pods:
        if new.full:
            break
        if job_tally.tracked(pod) and _countable(job, pod, counts, verdict):
            release.append(pod)
            _count(job, pod, verdict, new, completed)
    done = completed | new.indexes
    gone = len(uncounted.succeeded) - sum(uid in uids for uid in uncounted.succeeded)
    failed = len(uncounted.failed) - sum(uid in uids for uid in uncounted.failed)
    pending = release or new.succeeded or new.failed or counts.terminating or counts.active
    ended = verdict is not None and not pending
    moment = timestamp(now)
    status = JobStatus(
        active=len(counts.active),
        ready=sum(pod.ready for pod in counts.active),
        terminating=len(counts.terminating),
        succeeded=len(done) if job.spec.indexed else before.succeeded + gone,
        failed=before.failed + failed,
        completed_indexes=write_indexes(done) if job.spec.indexed else before.completed_indexes,
        failed_indexes=None if counts.failed_indexes is None else write_indexes(counts.failed_indexes),
        uncounted_terminated_pods=UncountedTerminatedPods(succeeded=tuple(new.succeeded), failed=tuple(new.failed)),
        start_time=_start_time(job, moment),
        completion_time=moment if ended and verdict is not None and verdict.success else before.completion_time,
        conditions=_conditions(job, verdict, moment, ended=ended),
    )
    return Tracked(status, tuple(release))


def as_json(desired: JobStatus) -> dict[str, Any]:
    """Return the status as a merge patch: fields without a value are removed, counts are written out."""
    uncounted = desired.uncounted_terminated_pods
    return {
        **{name: getattr(desired, name) for name in ("active", "ready", "succeeded", "failed", "terminating")},
        "completedIndexes": desired.completed_indexes or None,
        "failedIndexes": desired.failed_indexes,
        "uncountedTerminatedPods": {
            "succeeded": uncounted.succeeded or None,
            "failed": uncounted.failed or None,
        },
        "startTime": desired.start_time,
        "completionTime": desired.completion_time,
        "conditions": msgspec.to_builtins(desired.conditions),
    }


def _countable(job: Job, pod: Pod, counts: Tally, verdict: Verdict | None) -> bool:
    """Return whether nothing more is awaited of the pod: a failed one waits until its index has a new one."""
    if job.metadata.deletion_timestamp is not None or verdict is not None or pod.status.phase == "Succeeded":
        return True
    if not job_tally.is_failed(job, pod):
        return False
    awaited = counts.last_failed.get(index_of(pod) or 0) if counts.failed_indexes is not None else None
    return awaited is None or awaited.metadata.uid != pod.metadata.uid


def _count(job: Job, pod: Pod, verdict: Verdict | None, new: _Uncounted, completed: frozenset[int]) -> None:
    uid, index = pod.metadata.uid, index_of(pod)
    if not job_tally.valid_index(job, pod) or uid in new.failed:
        return
    if pod.status.phase == "Succeeded":
        if not job.spec.indexed:
            new.succeeded += [] if uid in new.succeeded else [uid]
        elif index is not None and index not in completed:
            new.indexes.add(index)
        return
    ended_by_failure = verdict is not None and not verdict.success
    if (job_tally.is_failed(job, pod) or ended_by_failure) and match_failure(job, pod).counted:
        new.failed.append(uid)


def _start_time(job: Job, now: str) -> str | None:
    resumed = job.condition("Suspended") is not None and not job.spec.suspend
    if job.finished is not None:
        return job.status.start_time
    if job.spec.suspend:
        return None
    return now if resumed else job.status.start_time or now


def _conditions(job: Job, verdict: Verdict | None, now: str, *, ended: bool) -> tuple[JobCondition, ...]:
    found = {condition.type: condition for condition in job.status.conditions}
    if verdict is not None:
        for name in (verdict.type, FINAL[verdict.type]) if ended else (verdict.type,):
            if name not in found or found[name].status != "True":
                found[name] = _condition(name, "True", verdict.reason, verdict.message, now)
    elif SUCCESS not in found:
        held = found.get("Suspended")
        if job.spec.suspend and (held is None or held.status != "True"):
            found["Suspended"] = _condition("Suspended", "True", "JobSuspended", "Job suspended", now)
        elif not job.spec.suspend and held is not None and held.status != "False":
            found["Suspended"] = _condition("Suspended", "False", "JobResumed", "Job resumed", now)
    return tuple(found.values())


def _condition(name: str, status: str, reason: str, message: str, now: str) -> JobCondition:
    return JobCondition(
        type=name, status=status, reason=reason, message=message, last_probe_time=now, last_transition_time=now
    )
