"""Job and CronJob of `batch/v1`. Source: k8s.io/api `batch/v1/types.go`."""

from __future__ import annotations

from typing import Any

from podwire.kube.apps import PodTemplate
from podwire.kube.discovery import ObjectReference
from podwire.kube.meta import Condition, LabelSelector, Object, Struct


class JobSpec(Struct, frozen=True):
    """What a Job should do. No `completions`: any pod that succeeds ends it. Times are seconds."""

    template: PodTemplate = PodTemplate()
    selector: LabelSelector = LabelSelector()
    completions: int | None = None
    parallelism: int = 1
    backoff_limit: int = 6
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    completion_mode: str = "NonIndexed"
    suspend: bool = False

    @property
    def indexed(self) -> bool:
        """Whether each pod has a number of its own."""
        return self.completion_mode == "Indexed"


class JobStatus(Struct, frozen=True):
    """What a Job has done. `completed_indexes` is text like 0-2,5."""

    active: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0
    terminating: int = 0
    completed_indexes: str = ""
    start_time: str | None = None
    completion_time: str | None = None
    conditions: tuple[Condition, ...] = ()


class Job(Object, frozen=True):
    """Pods that run to an end."""

    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()

    @property
    def finished(self) -> Condition | None:
        """The condition Complete or Failed, once it holds."""
        ends = (c for c in self.status.conditions if c.type in {"Complete", "Failed"} and c.status == "True")
        return next(ends, None)


class JobTemplate(Struct, frozen=True):
    """What the Jobs of a CronJob look like: `metadata` and `spec` as the user wrote them."""

    metadata: dict[str, Any] = {}
    spec: dict[str, Any] = {}


class CronJobSpec(Struct, frozen=True):
    """When Jobs are made. Without a zone the clock is that of UTC; times are seconds."""

    schedule: str = ""
    time_zone: str = ""
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = "Allow"
    suspend: bool = False
    job_template: JobTemplate = JobTemplate()
    successful_jobs_history_limit: int = 3
    failed_jobs_history_limit: int = 1


class CronJobStatus(Struct, frozen=True):
    """Which Jobs run, and when the last one was due and the last good one ended."""

    active: tuple[ObjectReference, ...] = ()
    last_schedule_time: str | None = None
    last_successful_time: str | None = None


class CronJob(Object, frozen=True):
    """Jobs by the clock."""

    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = CronJobStatus()
