"""The CronJob controller: Jobs on a schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from podwire.controllers.machinery.deletion import delete
from podwire.controllers.workloads import cronjob_plan
from podwire.kube.cache import Index, changed_key, controller_uid
from podwire.kube.client import ApiError
from podwire.kube.kinds import CRON_JOBS, JOBS
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.kube.batch import CronJob, CronJobStatus, Job
    from podwire.kube.client import Client
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change


class CronJobs:
    """Follows CronJobs and their Jobs."""

    def __init__(
        self,
        client: Client,
        informers: SharedInformers,
        recorder: Recorder,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._cron_jobs = informers.of(CRON_JOBS)
        self._jobs = informers.of(JOBS)
        self._owned = Index(self._jobs, lambda job: [controller_uid(job)])
        self._queue: WorkQueue[NamespacedName] = WorkQueue("cron jobs", self.sync)
        self._cron_jobs.subscribe(lambda change: self._queue.add(changed_key(change)))
        self._jobs.subscribe(self._job_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Create the Job that is due, delete old ones, and queue the CronJob for the next time."""
        cron_job = self._cron_jobs.objects.get(key)
        if cron_job is None:
            return
        self._record_ends(cron_job)
        plan = cronjob_plan.plan(cron_job, self._jobs_of(cron_job), self._clock())
        if plan.event is not None:
            event = plan.event
            self._recorder.event(CRON_JOBS, cron_job, event.reason, event.message, warning=event.warning)
        for job in plan.delete:
            await self._delete(cron_job, job)
        met = plan.scheduled is not None and await self._create(cron_job, plan.scheduled)
        for job in cronjob_plan.surplus(cron_job, self._jobs_of(cron_job)):
            await self._delete(cron_job, job)
        scheduled = plan.scheduled if met else None
        await self._write_status(cron_job, cronjob_plan.status(cron_job, self._jobs_of(cron_job), scheduled))
        if plan.again_after is not None:
            self._queue.add(key, plan.again_after)

    def _jobs_of(self, cron_job: CronJob) -> list[Job]:
        owned = self._owned[cron_job.metadata.uid].values()
        return [job for job in owned if job.metadata.deletion_timestamp is None]

    async def _create(self, cron_job: CronJob, scheduled: datetime) -> bool:
        """Create the Job of a scheduled time; return whether the CronJob has it now. Another owner's is kept."""
        body, namespace = cronjob_plan.job_body(cron_job, scheduled), cron_job.metadata.namespace
        try:
            job = await self._client.create(JOBS, body, namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                self._recorder.event(CRON_JOBS, cron_job, "FailedCreate", f"Error creating job: {error}", warning=True)
                raise
            job = await self._client.get(JOBS, NamespacedName(namespace, body["metadata"]["name"]))
            if controller_uid(job) != cron_job.metadata.uid:
                return False
            self._jobs.wrote(job)
            return True
        self._jobs.wrote(job)
        self._recorder.event(CRON_JOBS, cron_job, "SuccessfulCreate", f"Created job {job.metadata.name}")
        return True

    async def _delete(self, cron_job: CronJob, job: Job) -> None:
        await delete(self._client, JOBS, self._jobs, job)
        self._recorder.event(CRON_JOBS, cron_job, "SuccessfulDelete", f"Deleted job {job.metadata.name}")

    async def _write_status(self, cron_job: CronJob, desired: CronJobStatus) -> None:
        if desired == cron_job.status or cron_job.metadata.deletion_timestamp is not None:
            return
        body = {
            "active": [{"apiVersion": JOBS.api_version, **msgspec.to_builtins(one)} for one in desired.active] or None,
            "lastScheduleTime": desired.last_schedule_time,
            "lastSuccessfulTime": desired.last_successful_time,
        }
        self._cron_jobs.wrote(await self._client.patch(CRON_JOBS, cron_job.key, {"status": body}, "status"))

    def _record_ends(self, cron_job: CronJob) -> None:
        """Record an event for each Job that the status lists as active and that has finished."""
        known = {active.uid for active in cron_job.status.active}
        for job in self._jobs_of(cron_job):
            if job.finished is not None and job.metadata.uid in known:
                message = f"Saw completed job: {job.metadata.name}, condition: {job.finished.type}"
                self._recorder.event(CRON_JOBS, cron_job, "SawCompletedJob", message)

    def _job_changed(self, change: Change[Job]) -> None:
        job = change.item
        for owner in job.metadata.owner_references:
            if owner.controller and owner.kind == CRON_JOBS.kind:
                self._queue.add(NamespacedName(job.metadata.namespace, owner.name))
