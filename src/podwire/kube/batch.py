"""Job and CronJob of `batch/v1`. Source: k8s.io/api `batch/v1/types.go`."""

from __future__ import annotations

from typing import Any

from podwire.kube.apps import PodTemplate
from podwire.kube.discovery import ObjectReference
from podwire.kube.meta import Condition, LabelSelector, Object, Struct


class OnExitCodes(Struct, frozen=True):
    """Matches a container that ended with another exit code than 0. Operators: In, NotIn."""

    operator: str = ""
    values: tuple[int, ...] = ()
    container_name: str | None = None


class OnPodCondition(Struct, frozen=True):
    """Matches a pod with this condition."""

    type: str = ""
    status: str = "True"


class PodFailureRule(Struct, frozen=True):
    """What a failed pod that matches does to its Job. Actions: FailJob, FailIndex, Ignore, Count."""

    action: str = ""
    on_exit_codes: OnExitCodes | None = None
    on_pod_conditions: tuple[OnPodCondition, ...] | None = None


class PodFailurePolicy(Struct, frozen=True):
    """Rules for failed pods; the first that matches counts."""

    rules: tuple[PodFailureRule, ...] = ()


class SuccessRule(Struct, frozen=True):
    """Indexes that are enough, as text like 0-2,5, and how many of them; without indexes how many of all."""

    succeeded_indexes: str | None = None
    succeeded_count: int | None = None


class SuccessPolicy(Struct, frozen=True):
    """Rules for an indexed Job; any that is met ends it."""

    rules: tuple[SuccessRule, ...] = ()


class JobSpec(Struct, frozen=True):
    """The desired state of a Job. No `completions`: any pod that succeeds ends it. Times are seconds."""

    template: PodTemplate = PodTemplate()
    selector: LabelSelector = LabelSelector()
    completions: int | None = None
    parallelism: int = 1
    backoff_limit: int = 6
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    completion_mode: str = "NonIndexed"
    pod_failure_policy: PodFailurePolicy | None = None
    pod_replacement_policy: str = "TerminatingOrFailed"
    success_policy: SuccessPolicy | None = None
    managed_by: str = ""
    suspend: bool = False

    @property
    def indexed(self) -> bool:
        """Whether each pod has a number of its own."""
        return self.completion_mode == "Indexed"


class JobCondition(Condition, frozen=True):
    """A condition of a Job."""

    last_probe_time: str | None = None


class UncountedTerminatedPods(Struct, frozen=True):
    """Uids of finished pods that are in no count yet, as they still have the finalizer of their Job."""

    succeeded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class JobStatus(Struct, frozen=True):
    """The observed state of a Job. Indexes are text like 0-2,5."""

    active: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0
    terminating: int = 0
    completed_indexes: str = ""
    failed_indexes: str | None = None
    uncounted_terminated_pods: UncountedTerminatedPods = UncountedTerminatedPods()
    start_time: str | None = None
    completion_time: str | None = None
    conditions: tuple[JobCondition, ...] = ()


class Job(Object, frozen=True):
    """Pods that run to completion."""

    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()

    @property
    def finished(self) -> JobCondition | None:
        """The condition Complete or Failed, if it is True."""
        return self.condition("Complete") or self.condition("Failed")

    def condition(self, name: str) -> JobCondition | None:
        """The condition of this type, if its status is True."""
        return next((c for c in self.status.conditions if c.type == name and c.status == "True"), None)


class JobTemplate(Struct, frozen=True):
    """The template of a CronJob's Jobs: `metadata` and `spec` as the user wrote them."""

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
    """Jobs on a schedule."""

    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = CronJobStatus()
