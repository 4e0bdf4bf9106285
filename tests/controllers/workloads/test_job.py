"""The Job controller at work; pods end as the test says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podwire.controllers.workloads.job import Jobs
from podwire.kube.kinds import EVENTS, JOBS, PODS
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import READY
from tests.kube.fake_api import FakeApi, running

SELECTOR = {"matchLabels": {"job-name": "sum"}}
TEMPLATE = {"metadata": {"labels": {"job-name": "sum"}}, "spec": {"containers": [{"name": "c"}]}}


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    async with running(informers, Jobs(api, informers, recorder), recorder):
        yield


def put(api: FakeApi, **spec: Any) -> None:
    api.put(JOBS, "sum", "shop", spec={"selector": SELECTOR, "template": TEMPLATE, "completions": 1, **spec})


def end(api: FakeApi, pod: dict[str, Any], phase: str) -> None:
    api.put(
        PODS, pod["metadata"]["name"], "shop", status={"phase": phase, "conditions": [{**READY, "status": "False"}]}
    )


def alive(api: FakeApi) -> list[dict[str, Any]]:
    return [
        pod
        for pod in api.all(PODS)
        if "deletionTimestamp" not in pod["metadata"]
        and pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}
    ]


def conditions(api: FakeApi) -> dict[str, str]:
    (item,) = api.all(JOBS)
    return {c["type"]: c["reason"] for c in item.get("status", {}).get("conditions", [])}


@pytest.mark.proves("jobs")
async def test_a_job_runs_as_many_pods_as_it_wants_and_completes(api: FakeApi) -> None:
    put(api, completions=3, parallelism=2, completionMode="Indexed")
    async with at_work(api):
        for left in (2, 2, 1):
            await api.until(lambda left=left: len(alive(api)) == left)  # type: ignore[misc]
            end(api, alive(api)[0], "Succeeded")
        await api.until(lambda: "Complete" in conditions(api))
        await api.until(lambda: any(event["reason"] == "Completed" for event in api.all(EVENTS)))
    status = api.all(JOBS)[0]["status"]
    assert (status["succeeded"], status["completedIndexes"], status["active"]) == (3, "0-2", 0)


async def test_a_job_whose_pods_fail_too_often_fails(api: FakeApi) -> None:
    put(api, backoffLimit=0, parallelism=2, completions=2)
    async with at_work(api):
        await api.until(lambda: len(alive(api)) == 2)
        end(api, alive(api)[0], "Failed")
        await api.until(lambda: conditions(api).get("Failed") == "BackoffLimitExceeded")
        await api.until(lambda: not alive(api))


async def test_a_finished_job_goes_when_its_time_is_over(api: FakeApi) -> None:
    put(api, ttlSecondsAfterFinished=0)
    async with at_work(api):
        await api.until(lambda: len(alive(api)) == 1)
        end(api, alive(api)[0], "Succeeded")
        await api.until(lambda: not api.all(JOBS))


async def test_a_suspended_job_ends_its_pods_and_goes_on_later(api: FakeApi) -> None:
    put(api)
    async with at_work(api):
        await api.until(lambda: len(alive(api)) == 1)
        put(api, suspend=True)
        await api.until(lambda: not alive(api) and conditions(api) == {"Suspended": "JobSuspended"})
        put(api, suspend=False)
        await api.until(lambda: len(alive(api)) == 1 and conditions(api) == {"Suspended": "JobResumed"})
