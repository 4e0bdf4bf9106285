"""The next step of a CronJob: the Job to create, the Jobs to delete; and its status. Pure.

Source: kubernetes `pkg/controller/cronjob/cronjob_controllerv2.go`, `utils.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.machinery.owner_references import reference
from podwire.kube.batch import CronJobStatus
from podwire.kube.discovery import ObjectReference
from podwire.kube.kinds import CRON_JOBS, JOBS
from podwire.kube.meta import timestamp
from podwire.kube.schedules import Schedule, ScheduleError, schedule, zone_of

if TYPE_CHECKING:
    from podwire.kube.batch import CronJob, Job

LONGEST_DEADLINE_SECONDS = 10**9
"""Thirty years: a larger number of a CronJob may lead out of the calendar."""

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class EventText(msgspec.Struct, frozen=True):
    """An event about the CronJob."""

    reason: str
    message: str
    warning: bool = False


class Plan(msgspec.Struct, frozen=True):
    """The next step: create the Job of the scheduled time, after deleting these; sync again after so many seconds."""

    scheduled: datetime | None = None
    delete: tuple[Job, ...] = ()
    event: EventText | None = None
    again_after: float | None = None


def plan(cron_job: CronJob, jobs: Sequence[Job], now: datetime) -> Plan:
    """Return the next step; `jobs` are those of the CronJob."""
    spec = cron_job.spec
    if cron_job.metadata.deletion_timestamp is not None or spec.suspend:
        return Plan()
    try:
        line = schedule(spec.schedule, zone_of(spec.time_zone) if spec.time_zone else UTC)
    except ScheduleError as error:
        return Plan(event=EventText("UnparseableSchedule", f"unparseable schedule: {spec.schedule!r}: {error}", True))
    again = _seconds_until_next(line, now)
    scheduled = line.latest(_since(cron_job, now), now)
    if scheduled is None:
        return Plan(again_after=again)
    if _too_late(cron_job, scheduled, now):
        missed = f"Missed scheduled time to start a job: {timestamp(scheduled)}"
        return Plan(event=EventText("MissSchedule", missed, True), again_after=again)
    running = tuple(job for job in jobs if not job.finished)
    if any(job.metadata.name == job_name(cron_job, scheduled) for job in jobs):
        return Plan(again_after=again)
    if running and spec.concurrency_policy == "Forbid":
        why = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return Plan(event=EventText("JobAlreadyActive", why), again_after=again)
    return Plan(scheduled, running if spec.concurrency_policy == "Replace" else (), again_after=again)


def status(cron_job: CronJob, jobs: Sequence[Job], scheduled: datetime | None = None) -> CronJobStatus:
    """Return the status, after the Job of the time `scheduled` was created."""
    old, met = cron_job.status, [timestamp(scheduled)] if scheduled is not None else []
    met += [moment for job in jobs if (moment := _scheduled(job))]
    ends = [job.status.completion_time for job in jobs if _succeeded(job) and job.status.completion_time]
    return CronJobStatus(
        active=tuple(_reference(job) for job in sorted(jobs, key=_age) if not job.finished),
        last_schedule_time=max(filter(None, (old.last_schedule_time, *met)), default=None),
        last_successful_time=max(filter(None, (old.last_successful_time, *ends)), default=None),
    )


def surplus(cron_job: CronJob, jobs: Iterable[Job]) -> list[Job]:
    """Return finished Jobs beyond the history limits, the oldest ones."""
    finished = sorted((job for job in jobs if job.finished), key=_age)
    good = [job for job in finished if _succeeded(job)]
    bad = [job for job in finished if not _succeeded(job)]
    spec = cron_job.spec
    return [*_all_but(good, spec.successful_jobs_history_limit), *_all_but(bad, spec.failed_jobs_history_limit)]


def job_name(cron_job: CronJob, scheduled: datetime) -> str:
    """Return the name of the Job of a scheduled time; a second one is refused."""
    return f"{cron_job.metadata.name}-{int(scheduled.timestamp()) // 60}"


def job_body(cron_job: CronJob, scheduled: datetime) -> dict[str, Any]:
    """Return a new Job as JSON."""
    template, zone = cron_job.spec.job_template, cron_job.spec.time_zone
    local = scheduled.astimezone(zone_of(zone)) if zone else scheduled
    moment = local.isoformat(timespec="seconds").replace("+00:00", "Z")
    metadata = {name: template.metadata[name] for name in ("labels",) if name in template.metadata}
    return {
        "metadata": {
            **metadata,
            "name": job_name(cron_job, scheduled),
            "namespace": cron_job.metadata.namespace,
            "annotations": {**(template.metadata.get("annotations") or {}), SCHEDULED: moment},
            "ownerReferences": [reference(CRON_JOBS, cron_job)],
        },
        "spec": template.spec,
    }


def _since(cron_job: CronJob, now: datetime) -> datetime:
    """Return the time after which schedules count: the last one, else the creation; at most the deadline ago."""
    began = cron_job.status.last_schedule_time or cron_job.metadata.creation_timestamp
    since = datetime.fromisoformat(began) if began else now
    deadline = _deadline(cron_job)
    return since if deadline is None else max(since, now - deadline)


def _too_late(cron_job: CronJob, scheduled: datetime, now: datetime) -> bool:
    deadline = _deadline(cron_job)
    return deadline is not None and scheduled + deadline < now


def _deadline(cron_job: CronJob) -> timedelta | None:
    """Return how late a Job may start; None without a deadline."""
    seconds = cron_job.spec.starting_deadline_seconds
    return None if seconds is None else timedelta(seconds=min(seconds, LONGEST_DEADLINE_SECONDS))


def _seconds_until_next(line: Schedule, now: datetime) -> float | None:
    following = line.after(now)
    return None if following is None else max(0.0, (following - now).total_seconds())


def _scheduled(job: Job) -> str:
    """Return the scheduled time of a Job; empty for one without a valid annotation."""
    try:
        return timestamp(datetime.fromisoformat(job.metadata.annotations.get(SCHEDULED, "")))
    except ValueError:
        return ""


def _succeeded(job: Job) -> bool:
    return job.finished is not None and job.finished.type == "Complete"


def _age(job: Job) -> tuple[str, str]:
    """Return a sort key, the oldest first."""
    return job.status.start_time or job.metadata.creation_timestamp or "", job.metadata.name


def _all_but(jobs: list[Job], kept: int) -> list[Job]:
    return jobs[: max(0, len(jobs) - kept)]


def _reference(job: Job) -> ObjectReference:
    return ObjectReference(
        kind=JOBS.kind,
        name=job.metadata.name,
        namespace=job.metadata.namespace,
        uid=job.metadata.uid,
    )
