"""What a Job's pods mean: which to make, which to delete, when it is done, and what the status says. Pure.

Source: kubernetes `pkg/controller/job/job_controller.go`, `indexed_job_utils.go`. Finished pods bear no finalizer here:
one that somebody deletes before its Job is done may be run again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.machinery.owner_references import reference
from podwire.controllers.workloads.replicaset_plan import active, name_beginning
from podwire.kube.batch import JobStatus
from podwire.kube.kinds import JOBS
from podwire.kube.meta import Condition, timestamp

if TYPE_CHECKING:
    from podwire.kube.batch import Job
    from podwire.kube.core import Pod

INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
FIRST_BACKOFF_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 600.0
MOST_COMPLETIONS = 1_000_000
"""Indexes of one Job that are counted."""

LONGEST_INDEX = 9
"""Characters of an index; an annotation may be anything."""

_RUNS = re.compile(r"(?:^|(?<=,))([0-9]{1,9})(?:-([0-9]{1,18}))?(?=,|$)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a Job ended: the condition's type, reason and message."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do next. `create` has an index for each new pod, None without indexes; `again_after` is in seconds."""

    create: tuple[int | None, ...] = ()
    delete: tuple[Pod, ...] = ()
    verdict: Verdict | None = None
    again_after: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """The pods of a Job by what became of them."""

    active: tuple[Pod, ...]
    succeeded: int
    failed: int
    done: frozenset[int]
    latest_failure: float


def tally(job: Job, pods: Sequence[Pod]) -> Tally:
    """Count; what the status said before stays true also where a finished pod is gone."""
    good = [pod for pod in pods if pod.status.phase == "Succeeded"]
    bad = [pod for pod in pods if pod.status.phase == "Failed"]
    limit = min(job.spec.completions or 0, MOST_COMPLETIONS)
    told = read_indexes(job.status.completed_indexes, limit) if job.spec.indexed else set()
    done = told | {index for pod in good if (index := index_of(pod)) is not None}
    mine = frozenset(index for index in done if index < limit) if job.spec.indexed else frozenset()
    return Tally(
        active=tuple(pod for pod in pods if active(pod)),
        succeeded=len(mine) if job.spec.indexed else max(len(good), job.status.succeeded),
        failed=max(len(bad), job.status.failed),
        done=mine,
        latest_failure=max(map(_ended_at, bad), default=0.0),
    )


def plan(job: Job, pods: Sequence[Pod], now: datetime) -> Plan:
    """The next step of a Job that is not finished."""
    counts = tally(job, pods)
    if job.metadata.deletion_timestamp is not None:
        return Plan()
    verdict = _verdict(job, pods, counts, now)
    if verdict is not None:
        return Plan(delete=counts.active, verdict=verdict)
    if job.spec.suspend:
        return Plan(delete=counts.active)
    again = _deadline_left(job, now)
    wanted = _wanted_active(job, counts)
    surplus = len(counts.active) - wanted
    if surplus >= 0:
        return Plan(delete=_victims(counts.active, surplus), again_after=again)
    pause = _backoff(counts) - (now.timestamp() - counts.latest_failure)
    if pause > 0:
        return Plan(again_after=pause if again is None else min(again, pause))
    return Plan(create=tuple(_indexes(job, counts, -surplus)), again_after=again)


def status(job: Job, pods: Sequence[Pod], verdict: Verdict | None, now: datetime) -> JobStatus:
    """The status that the pods and the verdict amount to."""
    counts = tally(job, pods)
    moment = timestamp(now)
    start = None if job.spec.suspend and not job.finished else job.status.start_time or moment
    ended = verdict is not None and verdict.type == "Complete"
    return JobStatus(
        active=len(counts.active),
        ready=sum(pod.ready for pod in counts.active),
        terminating=sum(pod.metadata.deletion_timestamp is not None and not pod.finished for pod in pods),
        succeeded=counts.succeeded,
        failed=counts.failed,
        completed_indexes=write_indexes(counts.done),
        start_time=start,
        completion_time=moment if ended else job.status.completion_time,
        conditions=_conditions(job, verdict, moment),
    )


def expires_in(job: Job, now: datetime) -> float | None:
    """Seconds until a finished Job is deleted; None where it stays."""
    end, seconds = job.finished, job.spec.ttl_seconds_after_finished
    if end is None or seconds is None or end.last_transition_time is None:
        return None
    since = datetime.fromisoformat(end.last_transition_time)
    return max(0.0, (since + timedelta(seconds=seconds) - now).total_seconds())


def pod_beginning(job: Job, index: int | None) -> str:
    """What the name of a new pod begins with."""
    return name_beginning(job) if index is None else f"{name_beginning(job)}{index}-"


def pod_body(job: Job, name: str, index: int | None) -> dict[str, Any]:
    """A new pod; with an index, that is its label, annotation, hostname and a variable in each container."""
    template = job.spec.template
    metadata = {**template.metadata, "name": name, "namespace": job.metadata.namespace}
    metadata |= {"generateName": name_beginning(job), "ownerReferences": [reference(JOBS, job)]}
    spec = template.spec
    if index is not None:
        for part in ("labels", "annotations"):
            metadata[part] = {**(metadata.get(part) or {}), INDEX: str(index)}
        spec = {"hostname": f"{job.metadata.name}-{index}", **spec}
        for part in ("containers", "initContainers"):
            if part in spec:
                spec[part] = [_numbered(container, index) for container in spec[part]]
    return {"metadata": metadata, "spec": spec}


def index_of(pod: Pod) -> int | None:
    """The pod's index; None where it has none."""
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdecimal() and len(text) <= LONGEST_INDEX else None


def read_indexes(text: str, limit: int) -> set[int]:
    """Numbers below the limit, written as 0-2,5. What is no such text is passed over: a status is not checked."""
    found: set[int] = set()
    for first, last in _RUNS.findall(text):
        found |= set(range(int(first), min(int(last or first) + 1, limit)))
    return found


def write_indexes(numbers: Iterable[int]) -> str:
    """0-2,5 for 0, 1, 2 and 5; as upstream two neighbours are 0,1."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _verdict(job: Job, pods: Sequence[Pod], counts: Tally, now: datetime) -> Verdict | None:
    spec = job.spec
    if counts.failed > spec.backoff_limit or _restarts_too_often(job, pods):
        return Verdict("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = _deadline_left(job, now)
    if left is not None and left <= 0:
        return Verdict("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    enough = counts.succeeded >= spec.completions if spec.completions is not None else counts.succeeded > 0
    if enough and (spec.completions is not None or not counts.active):
        return Verdict("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    return None


def _restarts_too_often(job: Job, pods: Sequence[Pod]) -> bool:
    """Pods that start their containers again themselves count each start."""
    if job.spec.template.spec.get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(state.restart_count for pod in pods for state in pod.status.container_statuses if not pod.finished)
    return restarts > 0 and restarts >= max(1, job.spec.backoff_limit)


def _deadline_left(job: Job, now: datetime) -> float | None:
    if job.spec.active_deadline_seconds is None or job.status.start_time is None or job.spec.suspend:
        return None
    since = datetime.fromisoformat(job.status.start_time)
    return (since + timedelta(seconds=job.spec.active_deadline_seconds) - now).total_seconds()


def _wanted_active(job: Job, counts: Tally) -> int:
    """How many pods should run now. Without `completions` one success means that no new ones come."""
    if job.spec.completions is None:
        return min(job.spec.parallelism, len(counts.active)) if counts.succeeded else job.spec.parallelism
    return min(job.spec.parallelism, job.spec.completions - counts.succeeded)


def _indexes(job: Job, counts: Tally, count: int) -> Iterable[int | None]:
    if not job.spec.indexed:
        return [None] * count
    taken = counts.done | {index for pod in counts.active if (index := index_of(pod)) is not None}
    return [index for index in range(job.spec.completions or 0) if index not in taken][:count]


def _victims(pods: Sequence[Pod], count: int) -> tuple[Pod, ...]:
    return tuple(sorted(pods, key=lambda pod: (pod.ready, pod.metadata.name))[:count])


def _backoff(counts: Tally) -> float:
    if not counts.failed or not counts.latest_failure:
        return 0.0
    return min(LONGEST_BACKOFF_SECONDS, math.ldexp(FIRST_BACKOFF_SECONDS, min(counts.failed - 1, 10)))


def _ended_at(pod: Pod) -> float:
    since = next((c.last_transition_time for c in pod.status.conditions if c.type == "Ready"), None)
    return datetime.fromisoformat(since).timestamp() if since else 0.0


def _conditions(job: Job, verdict: Verdict | None, now: str) -> tuple[Condition, ...]:
    found = {condition.type: condition for condition in job.status.conditions}
    if verdict is not None:
        first = "SuccessCriteriaMet" if verdict.type == "Complete" else "FailureTarget"
        for kind in (first, verdict.type):
            found[kind] = Condition(
                type=kind, status="True", reason=verdict.reason, message=verdict.message, last_transition_time=now
            )
    held = found.get("Suspended")
    word = "True" if job.spec.suspend else "False"
    if (held is not None and held.status != word) or (held is None and job.spec.suspend):
        reason, message = ("JobSuspended", "Job suspended") if job.spec.suspend else ("JobResumed", "Job resumed")
        found["Suspended"] = Condition(
            type="Suspended", status=word, reason=reason, message=message, last_transition_time=now
        )
    return tuple(found.values())


def _numbered(container: dict[str, Any], index: int) -> dict[str, Any]:
    variable = {"name": INDEX_VARIABLE, "value": str(index)}
    return {**container, "env": [*(container.get("env") or []), variable]}


def as_json(wanted: JobStatus) -> dict[str, Any]:
    """The status for a merge patch: what is empty is taken away, counts are written out."""
    return {
        **{name: getattr(wanted, name) for name in ("active", "ready", "succeeded", "failed", "terminating")},
        "completedIndexes": wanted.completed_indexes or None,
        "startTime": wanted.start_time,
        "completionTime": wanted.completion_time,
        "conditions": msgspec.to_builtins(wanted.conditions),
    }
