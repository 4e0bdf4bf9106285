"""The Job controller with a fake API server; the test ends its pods."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from podwire.controllers.workloads.job import Jobs
from podwire.kube.kinds import EVENTS, JOBS, PODS, Kind
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import READY
from tests.controllers.fake_node import FakeRuntime
from tests.kube.fake_api import FakeApi, running

SELECTOR = {"matchLabels": {"job-name": "sum"}}
TEMPLATE = {"metadata": {"labels": {"job-name": "sum"}}, "spec": {"containers": [{"name": "c"}]}}


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    async with running(informers, Jobs(api, informers, recorder), FakeRuntime(api), recorder):
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
    assert not any(pod["metadata"]["finalizers"] for pod in api.all(PODS) if "finalizers" in pod["metadata"])


async def test_pods_that_end_while_their_job_is_synced_end_it_by_its_success_policy(api: FakeApi) -> None:
    """The rules come before the count of completions, whenever the pods are seen."""
    policy = {"rules": [{"succeededCount": 1}]}
    put(api, completions=1, completionMode="Indexed", successPolicy=policy)
    create = api.create

    async def create_and_end(kind: Kind[Any], body: Mapping[str, Any], namespace: str = "") -> Any:
        made = await create(kind, body, namespace)
        if kind.resource == "pods":
            end(api, alive(api)[0], "Succeeded")
            for _ in range(20):  # until the watch has delivered it
                await asyncio.sleep(0)
        return made

    api.create = create_and_end  # type: ignore[method-assign]
    async with at_work(api):
        await api.until(lambda: "Complete" in conditions(api))
    assert conditions(api)["Complete"] == "SuccessPolicy"


@pytest.mark.proves("jobs")
async def test_a_finished_pod_counts_though_somebody_deletes_it(api: FakeApi) -> None:
    put(api, completions=2)
    async with at_work(api):
        for _ in range(2):
            await api.until(lambda: len(alive(api)) == 1)
            pod = alive(api)[0]
            end(api, pod, "Succeeded")
            await api.delete(PODS, NamespacedName("shop", pod["metadata"]["name"]))
        await api.until(lambda: "Complete" in conditions(api) and not api.all(PODS))
    assert (api.all(JOBS)[0]["status"]["succeeded"], api.calls["POST", "pods"]) == (2, 2)


async def test_pods_of_a_job_that_is_gone_lose_its_finalizer(api: FakeApi) -> None:
    put(api)
    async with at_work(api):
        await api.until(lambda: len(alive(api)) == 1)
        api.remove(JOBS, NamespacedName("shop", "sum"))
        await api.until(lambda: not api.all(PODS)[0]["metadata"].get("finalizers"))


async def test_an_orphan_is_adopted_with_the_finalizer_and_released_without_it(api: FakeApi) -> None:
    put(api)
    async with at_work(api):
        await api.until(lambda: len(alive(api)) == 1)
        name = alive(api)[0]["metadata"]["name"]
        metadata: dict[str, Any] = {"ownerReferences": [], "finalizers": []}
        api.put(PODS, name, "shop", metadata=metadata)
        await api.until(lambda: bool(api.objects["pods"][NamespacedName("shop", name)]["metadata"]["finalizers"]))
        api.put(PODS, name, "shop", metadata={"labels": {}})
        await api.until(lambda: not api.objects["pods"][NamespacedName("shop", name)]["metadata"].get("finalizers"))
        assert not api.objects["pods"][NamespacedName("shop", name)]["metadata"].get("ownerReferences")


async def test_jobs_of_another_controller_are_left_alone(api: FakeApi) -> None:
    put(api, managedBy="example.com/mine")
    api.put(JOBS, "zz", "shop", spec={"selector": SELECTOR, "template": TEMPLATE, "completions": 1})
    async with at_work(api):
        await api.until(lambda: len(alive(api)) == 1)
    assert alive(api)[0]["metadata"]["ownerReferences"][0]["name"] == "zz"
    assert "status" not in api.all(JOBS)[0]


async def test_a_job_whose_pods_fail_too_often_fails(api: FakeApi) -> None:
    put(api, backoffLimit=0, parallelism=2, completions=2)
    async with at_work(api):
        await api.until(lambda: len(alive(api)) == 2)
        end(api, alive(api)[0], "Failed")
        await api.until(lambda: conditions(api).get("Failed") == "BackoffLimitExceeded")
        await api.until(lambda: not alive(api))


async def test_a_finished_job_is_deleted_when_its_time_to_live_is_over(api: FakeApi) -> None:
    put(api, ttlSecondsAfterFinished=0)
    async with at_work(api):
        await api.until(lambda: len(alive(api)) == 1)
        end(api, alive(api)[0], "Succeeded")
        await api.until(lambda: not api.all(JOBS))


async def test_a_suspended_job_ends_its_pods_and_is_resumed_later(api: FakeApi) -> None:
    put(api)
    async with at_work(api):
        await api.until(lambda: len(alive(api)) == 1)
        put(api, suspend=True)
        await api.until(lambda: not alive(api) and conditions(api) == {"Suspended": "JobSuspended"})
        put(api, suspend=False)
        await api.until(lambda: len(alive(api)) == 1 and conditions(api) == {"Suspended": "JobResumed"})
