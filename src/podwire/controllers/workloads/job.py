"""The Job controller: pods that run to an end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podwire.controllers.machinery.deletion import delete
from podwire.controllers.machinery.pod_control import OwnedPods
from podwire.controllers.machinery.status_patch import versioned
from podwire.controllers.workloads import job_plan, job_status, job_tally
from podwire.kube.cache import changed_key
from podwire.kube.kinds import JOBS
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.controllers.workloads.job_plan import Plan, Verdict
    from podwire.controllers.workloads.job_tally import Tally
    from podwire.kube.batch import Job, JobStatus
    from podwire.kube.client import Client
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers

OWN_NAME = "kubernetes.io/job-controller"
"""`managedBy` of Jobs that this controller handles; it may be empty too."""


class Jobs:
    """Follows Jobs and their pods."""

    def __init__(self, client: Client, informers: SharedInformers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._jobs = informers.of(JOBS)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("jobs", self.sync)
        self._pods = OwnedPods(
            client,
            informers,
            recorder,
            JOBS,
            lambda job: job.spec.selector,
            self._queue.add,
            finalizer=job_tally.FINALIZER,
        )
        self._jobs.subscribe(lambda change: self._queue.add(changed_key(change)))

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Take the next step for one Job; a finished one is deleted when its time to live is over."""
        job = self._jobs.objects.get(key)
        await self._pods.release_orphans(key, "" if job is None else job.metadata.uid)
        if job is None or job.spec.managed_by not in {"", OWN_NAME}:
            return
        now = datetime.now(UTC)
        if job.finished is not None:
            await self._tidy(job, now)
            return
        pods = await self._pods.claim(job)
        counts = job_tally.tally(job, pods)
        verdict = job_plan.verdict(job, pods, counts, now)
        plan = job_plan.Plan() if verdict is not None else job_plan.manage(job, pods, counts, now)
        try:
            if verdict is not None:
                await self._pods.delete(job, counts.active)
            await self._carry_out(job, plan, counts)
        finally:
            await self._track(job, verdict, now)
        if plan.again_after is not None:
            self._queue.add(key, plan.again_after)

    async def _carry_out(self, job: Job, plan: Plan, counts: Tally) -> None:
        """Delete and create pods. A pod that is deleted before its end loses its finalizer first: it is not counted."""
        await self._pods.remove_finalizers(plan.delete)
        await self._pods.delete(job, plan.delete)
        names = self._pods.names(job, [job_plan.pod_prefix(job, index) for index in plan.create])
        replaced = [None if index is None else counts.last_failed.get(index) for index in plan.create]
        triples = zip(names, plan.create, replaced, strict=True)
        await self._pods.create(job, [job_plan.pod_body(job, *triple) for triple in triples])

    async def _track(self, job: Job, verdict: Verdict | None, now: datetime) -> None:
        """Write the status, remove the finalizers of counted pods, then write the status without their uids."""
        for _ in range(2):
            pods = self._pods.of(job)
            counts = job_tally.tally(job, pods)
            verdict = verdict or job_plan.verdict(job, pods, counts, now) or job_plan.complete(job, counts)
            tracked = job_status.track(job, pods, verdict, now)
            job = await self._write_status(job, tracked.status)
            if not tracked.release:
                return
            await self._pods.remove_finalizers(tracked.release)

    async def _write_status(self, job: Job, desired: JobStatus) -> Job:
        if desired == job.status:
            return job
        body = versioned(job, job_status.as_json(desired))
        written = self._jobs.wrote(await self._client.patch(JOBS, job.key, body, "status"))
        self._report(job, desired)
        return written

    def _report(self, job: Job, desired: JobStatus) -> None:
        """Record an event for each condition that the new status changes."""
        before = {condition.type: condition.status for condition in job.status.conditions}
        for condition in desired.conditions:
            if before.get(condition.type) == condition.status:
                continue
            if condition.type == "Complete":
                self._recorder.event(JOBS, job, "Completed", "Job completed")
            elif condition.type == "Failed":
                self._recorder.event(JOBS, job, condition.reason, condition.message, warning=True)
            elif condition.type == "Suspended":
                reason = "Suspended" if condition.status == "True" else "Resumed"
                self._recorder.event(JOBS, job, reason, condition.message)

    async def _tidy(self, job: Job, now: datetime) -> None:
        """After the end: delete the Job when its time to live is over. No pod keeps the finalizer."""
        await self._pods.remove_finalizers(self._pods.of(job))
        left = job_plan.expires_in(job, now)
        if left is None or job.metadata.deletion_timestamp is not None:
            return
        if left > 0:
            self._queue.add(job.key, left)
            return
        await delete(self._client, JOBS, self._jobs, job)
