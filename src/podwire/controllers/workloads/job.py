"""The Job controller: pods that run to an end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podwire.controllers.machinery.deletion import delete
from podwire.controllers.machinery.pod_control import OwnedPods
from podwire.controllers.workloads import job_plan
from podwire.kube.cache import changed_key
from podwire.kube.kinds import JOBS
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.controllers.workloads.job_plan import Plan, Verdict
    from podwire.kube.batch import Job
    from podwire.kube.client import Client
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers


class Jobs:
    """Follows Jobs and their pods."""

    def __init__(self, client: Client, informers: SharedInformers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._jobs = informers.of(JOBS)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("jobs", self.sync)
        self._pods = OwnedPods(client, informers, recorder, JOBS, lambda job: job.spec.selector, self._queue.add)
        self._jobs.subscribe(lambda change: self._queue.add(changed_key(change)))

    async def run(self) -> None:
        """Work for ever."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Bring one Job one step nearer to its end, or away when its time after the end is over."""
        job = self._jobs.objects.get(key)
        if job is None:
            return
        now = datetime.now(UTC)
        if job.finished is not None:
            await self._tidy(job, now)
            return
        pods = await self._pods.claim(job)
        plan = job_plan.plan(job, pods, now)
        try:
            await self._pods.delete(job, plan.delete)
            await self._create(job, plan)
        finally:
            await self._write_status(job, plan.verdict, now)
        if plan.again_after is not None:
            self._queue.add(key, plan.again_after)

    async def _create(self, job: Job, plan: Plan) -> None:
        names = self._pods.names(job, [job_plan.pod_beginning(job, index) for index in plan.create])
        pairs = zip(plan.create, names, strict=True)
        await self._pods.create(job, [job_plan.pod_body(job, name, index) for index, name in pairs])

    async def _write_status(self, job: Job, verdict: Verdict | None, now: datetime) -> None:
        wanted = job_plan.status(job, self._pods.of(job), verdict, now)
        if wanted == job.status:
            return
        body = {"status": job_plan.as_json(wanted)}
        self._jobs.wrote(await self._client.patch(JOBS, job.key, body, "status"))
        if verdict is not None:
            failed = verdict.type == "Failed"
            reason, message = (verdict.reason, verdict.message) if failed else ("Completed", "Job completed")
            self._recorder.event(JOBS, job, reason, message, warning=failed)

    async def _tidy(self, job: Job, now: datetime) -> None:
        """After the end: the pods that were still ending leave the status, and in time the Job goes."""
        wanted = job_plan.status(job, self._pods.of(job), None, now)
        if wanted != job.status:
            body = {"status": job_plan.as_json(wanted)}
            self._jobs.wrote(await self._client.patch(JOBS, job.key, body, "status"))
        left = job_plan.expires_in(job, now)
        if left is None or job.metadata.deletion_timestamp is not None:
            return
        if left > 0:
            self._queue.add(job.key, left)
            return
        await delete(self._client, JOBS, self._jobs, job)
