from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from podwire.controllers.workloads import cronjob_plan
from podwire.controllers.workloads.cronjob_plan import SCHEDULED
from podwire.kube.batch import CronJob, Job

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, 12, 30, 15, tzinfo=UTC)
DUE = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


def cron_job(status: dict[str, Any] | None = None, **spec: Any) -> CronJob:
    """CronJob report of every ten minutes; arguments are fields of its spec."""
    metadata = {"name": "report", "namespace": "shop", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    whole = {"schedule": "*/10 * * * *", **spec}
    return msgspec.convert({"metadata": metadata, "spec": whole, "status": status or {}}, CronJob)


def job(name: str, end: str = "", started: str = "2026-01-01T12:00:00Z", **metadata: Any) -> Job:
    """A Job that runs, or has ended as Complete or Failed."""
    conditions = [{"type": end, "status": "True"}] if end else []
    status = {"startTime": started, "conditions": conditions, "completionTime": started if end else None}
    return msgspec.convert({"metadata": {"name": name, "namespace": "shop", **metadata}, "status": status}, Job)


Step = tuple[datetime | None, list[str], str]


def step(*jobs: Job, status: dict[str, Any] | None = None, now: datetime = NOW, **spec: Any) -> Step:
    """The scheduled time of the Job to create, the Jobs to delete before, and the reason of the event."""
    plan = cronjob_plan.plan(cron_job(status, **spec), jobs, now)
    return plan.scheduled, [item.metadata.name for item in plan.delete], plan.event.reason if plan.event else ""


RUNS, ENDED = job("report-1"), job("report-1", "Complete")


@pytest.mark.proves("cron-concurrency")
@pytest.mark.parametrize(
    ("jobs", "spec", "expected"),
    [
        ((), {}, (DUE, [], "")),
        ((), {"suspend": True}, (None, [], "")),
        ((), {"schedule": "0 0 1 1 *"}, (None, [], "")),
        ((), {"schedule": "often"}, (None, [], "UnparseableSchedule")),
        ((), {"timeZone": "Mars/Olympus"}, (None, [], "UnparseableSchedule")),
        ((), {"startingDeadlineSeconds": 60}, (DUE, [], "")),
        ((), {"startingDeadlineSeconds": 10}, (None, [], "")),
        ((), {"startingDeadlineSeconds": 2**63 - 1}, (DUE, [], "")),
        ((), {"status": {"lastScheduleTime": "2026-01-01T12:20:00Z"}}, (DUE, [], "")),
        ((), {"status": {"lastScheduleTime": "2026-01-01T12:30:00Z"}}, (None, [], "")),
        ((RUNS,), {}, (DUE, [], "")),
        ((RUNS,), {"concurrencyPolicy": "Forbid"}, (None, [], "JobAlreadyActive")),
        ((ENDED,), {"concurrencyPolicy": "Forbid"}, (DUE, [], "")),
        ((RUNS,), {"concurrencyPolicy": "Replace"}, (DUE, ["report-1"], "")),
        ((job(f"report-{int(DUE.timestamp()) // 60}"),), {}, (None, [], "")),
    ],
)
def test_what_is_due(jobs: tuple[Job, ...], spec: dict[str, Any], expected: Step) -> None:
    assert step(*jobs, **spec) == expected


@pytest.mark.proves("cron-schedule")
def test_the_clock_is_that_of_the_zone() -> None:
    daily: dict[str, Any] = {"schedule": "30 21 * * *", "timeZone": "Asia/Tokyo"}
    assert step(**daily) == (DUE, [], "")
    body = cronjob_plan.job_body(cron_job(**daily), DUE)
    assert body["metadata"]["annotations"] == {SCHEDULED: "2026-01-01T21:30:00+09:00"}


def test_it_comes_back_when_the_next_one_is_due() -> None:
    assert cronjob_plan.plan(cron_job(), (), NOW).again_after == pytest.approx(585)
    assert cronjob_plan.plan(cron_job(schedule="0 0 30 2 *"), (), NOW).again_after is None
    assert cronjob_plan.plan(cron_job(suspend=True), (), NOW).again_after is None


def test_a_job_is_its_template_owned_by_the_cron_job() -> None:
    metadata = {"labels": {"app": "r"}, "annotations": {"a": "b"}, "name": "not this one"}
    template = {"metadata": metadata, "spec": {"backoffLimit": 2}}
    body = cronjob_plan.job_body(cron_job(jobTemplate=template), DUE)
    assert body["spec"] == {"backoffLimit": 2}
    assert body["metadata"]["name"] == f"report-{int(DUE.timestamp()) // 60}"
    assert body["metadata"]["labels"] == {"app": "r"}
    assert body["metadata"]["annotations"] == {"a": "b", SCHEDULED: "2026-01-01T12:30:00Z"}
    [owner] = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("CronJob", "report", True)


@pytest.mark.proves("cron-history")
def test_the_status_lists_active_jobs_and_the_last_schedule_and_success() -> None:
    jobs = [job("b"), job("a", "Complete", "2026-01-01T12:01:00Z"), job("c", "Failed", "2026-01-01T12:02:00Z")]
    found = cronjob_plan.status(cron_job(), jobs, DUE)
    assert [one.name for one in found.active] == ["b"]
    assert (found.last_schedule_time, found.last_successful_time) == ("2026-01-01T12:30:00Z", "2026-01-01T12:01:00Z")
    assert cronjob_plan.status(cron_job(msgspec.to_builtins(found)), []) == msgspec.structs.replace(found, active=())


def test_an_scheduled_counts_as_met_once_its_job_is_there() -> None:
    lost = job("a", annotations={SCHEDULED: "2026-01-01T21:30:00+09:00"})
    by_hand = job("b", annotations={SCHEDULED: "yesterday"})
    assert cronjob_plan.status(cron_job(), [lost, by_hand]).last_schedule_time == "2026-01-01T12:30:00Z"


@pytest.mark.proves("cron-history")
def test_the_oldest_finished_jobs_go() -> None:
    good = [job(f"g{n}", "Complete", f"2026-01-01T12:0{n}:00Z") for n in range(5)]
    bad = [job(f"b{n}", "Failed", f"2026-01-01T12:0{n}:00Z") for n in range(3)]
    running = [job("r", started="2026-01-01T00:00:00Z")]
    gone = cronjob_plan.surplus(cron_job(), [*reversed(good), *bad, *running])
    assert [one.metadata.name for one in gone] == ["g0", "g1", "b0", "b1"]
    none = cronjob_plan.surplus(cron_job(successfulJobsHistoryLimit=0, failedJobsHistoryLimit=0), [*good, *running])
    assert len(none) == 5


def test_what_was_missed_for_long_is_made_up_for_once() -> None:
    assert step(now=BEGAN + timedelta(days=400), schedule="0 * * * *")[0] == BEGAN + timedelta(days=400)
