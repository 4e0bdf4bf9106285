"""The CronJob controller at work, by a clock of the test's own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podwire.controllers.workloads.cronjob import CronJobs
from podwire.kube.client import ApiError
from podwire.kube.kinds import CRON_JOBS, EVENTS, JOBS
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.kube.fake_api import FakeApi, running

DONE = {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z"}


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 0, 10, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, clock: Clock) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    async with running(informers, CronJobs(api, informers, recorder, clock), recorder):
        yield


def put(api: FakeApi, **spec: Any) -> None:
    template = {"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}
    api.put(CRON_JOBS, "report", "shop", spec={"schedule": "*/10 * * * *", "jobTemplate": template, **spec})


def end(api: FakeApi, job: dict[str, Any], word: str = "Complete") -> None:
    api.put(JOBS, job["metadata"]["name"], "shop", status={**DONE, "conditions": [{"type": word, "status": "True"}]})


def names(api: FakeApi) -> set[str]:
    return {job["metadata"]["name"] for job in api.all(JOBS)}


def active(api: FakeApi) -> set[str]:
    return {one["name"] for one in api.all(CRON_JOBS)[0].get("status", {}).get("active", [])}


def reasons(api: FakeApi) -> set[str]:
    return {event["reason"] for event in api.all(EVENTS)}


@pytest.mark.proves("cron-history", "cron-concurrency")
async def test_jobs_come_by_the_clock_and_old_ones_go() -> None:
    api, clock = FakeApi(), Clock()
    put(api, successfulJobsHistoryLimit=1)
    seen: set[str] = set()
    async with at_work(api, clock):
        for _ in range(3):
            await api.until(lambda: bool(names(api) - seen) and active(api) == names(api) - seen)
            [new] = names(api) - seen
            seen.add(new)
            [job] = [job for job in api.all(JOBS) if job["metadata"]["name"] == new]
            end(api, job)
            await api.until(lambda: not active(api) and len(names(api)) == 1)
            clock.now += timedelta(minutes=10)
            put(api, successfulJobsHistoryLimit=1)
        await api.until(lambda: {"SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete"} <= reasons(api))
    status = api.all(CRON_JOBS)[0]["status"]
    assert status["lastSuccessfulTime"] == "2026-01-01T00:01:00Z"
    assert status["lastScheduleTime"] >= "2026-01-01T00:30:00Z"


@pytest.mark.proves("cron-concurrency")
async def test_one_that_still_runs_holds_up_or_gives_way() -> None:
    api, clock = FakeApi(), Clock()
    put(api, concurrencyPolicy="Forbid")
    async with at_work(api, clock):
        await api.until(lambda: len(active(api)) == 1)
        first = names(api)
        clock.now += timedelta(minutes=10)
        put(api, concurrencyPolicy="Forbid")
        await api.until(lambda: "JobAlreadyActive" in reasons(api))
        assert names(api) == first
        put(api, concurrencyPolicy="Replace")
        await api.until(lambda: len(names(api)) == 1 and names(api) != first and active(api) == names(api))


@pytest.mark.proves("cron-concurrency")
async def test_a_suspended_one_waits() -> None:
    api, clock = FakeApi(), Clock()
    put(api, suspend=True)
    api.put(CRON_JOBS, "other", "shop", spec={"schedule": "*/10 * * * *", "jobTemplate": {"spec": {}}})
    async with at_work(api, clock):
        await api.until(lambda: bool(names(api)))
        assert all(name.startswith("other-") for name in names(api))
        put(api, suspend=False)
        await api.until(lambda: any(name.startswith("report-") for name in names(api)))


async def test_a_job_of_somebody_else_with_the_scheduled_s_name_takes_its_place_and_the_next_one_comes() -> None:
    api, clock = FakeApi(), Clock()
    scheduled = int(datetime(2026, 1, 1, 0, 10, tzinfo=UTC).timestamp()) // 60
    api.put(JOBS, f"report-{scheduled}", "shop", spec={})
    put(api)
    async with at_work(api, clock):
        await api.until(lambda: api.calls["GET", "jobs"] == 2)  # the first one listed them
        assert api.all(CRON_JOBS)[0].get("status") is None
        clock.now += timedelta(minutes=10)
        put(api)
        await api.until(lambda: active(api) == {f"report-{scheduled + 10}"})
        assert api.calls["POST", "jobs"] == 2, "each name is tried once"
    assert api.all(CRON_JOBS)[0]["status"]["lastScheduleTime"] == "2026-01-01T00:20:00Z"


async def test_a_job_that_was_made_before_a_restart_is_found_again() -> None:
    api, clock = FakeApi(), Clock()
    put(api)
    api.lose_answers["POST", "jobs"] = 1
    api.hold(JOBS)
    async with at_work(api, clock):
        await api.until(lambda: active(api) == names(api) != set())
    assert api.calls["POST", "jobs"] == 2


async def test_a_refused_job_causes_an_event() -> None:
    api, clock = FakeApi(), Clock()
    put(api)
    made = api._create

    def create(resource: str, key: NamespacedName, body: dict[str, Any]) -> dict[str, Any]:
        if resource == JOBS.resource:
            raise ApiError(403, "Forbidden", "exceeded quota")
        return made(resource, key, body)

    api._create = create  # type: ignore[method-assign]
    async with at_work(api, clock):
        await api.until(lambda: "FailedCreate" in reasons(api))


async def test_a_schedule_that_cannot_be_parsed_causes_an_event() -> None:
    api, clock = FakeApi(), Clock()
    put(api, schedule="now and then")
    async with at_work(api, clock):
        await api.until(lambda: "UnparseableSchedule" in reasons(api))
    assert not names(api)
