from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from podwire.controllers.workloads import job_plan
from podwire.kube.core import Pod, PodStatus
from tests.controllers.build import job, pod

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(hours=1)
STARTED = {"startTime": "2026-01-01T00:00:00Z"}


def member(name: str, phase: str = "Running", index: int | None = None, **changes: Any) -> Pod:
    annotations = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    return pod(name, phase=phase, metadata={"annotations": annotations}, **changes)


def step(pods: list[Pod], now: datetime = NOW, **spec: Any) -> tuple[list[int | None], list[str], str]:
    plan = job_plan.plan(job(**{"completions": 1, **spec}), pods, now)
    return list(plan.create), [item.metadata.name for item in plan.delete], plan.verdict.reason if plan.verdict else ""


@pytest.mark.parametrize(
    ("pods", "spec", "expected"),
    [
        ([], {}, ([None], [], "")),
        ([member("a")], {}, ([], [], "")),
        ([member("a", "Succeeded")], {}, ([], [], "CompletionsReached")),
        ([], {"completions": 5, "parallelism": 2}, ([None, None], [], "")),
        ([member("a", "Succeeded"), member("b")], {"completions": 2, "parallelism": 2}, ([], [], "")),
        ([member("a", "Succeeded"), member("b")], {"completions": 3, "parallelism": 2}, ([None], [], "")),
        ([member("a"), member("b", ready=False)], {"completions": 2}, ([], ["b"], "")),
        ([], {"suspend": True}, ([], [], "")),
        ([member("a")], {"suspend": True}, ([], ["a"], "")),
        ([member("a", "Failed")], {"backoffLimit": 0}, ([], [], "BackoffLimitExceeded")),
        ([member("a", "Failed")], {}, ([None], [], "")),
        ([member("a", ending=True)], {}, ([None], [], "")),
        ([], {"completions": None, "parallelism": 2}, ([None, None], [], "")),
        ([member("a", "Succeeded"), member("b")], {"completions": None, "parallelism": 2}, ([], [], "")),
        ([member("a", "Succeeded")], {"completions": None, "parallelism": 2}, ([], [], "CompletionsReached")),
    ],
)
def test_plain_jobs(pods: list[Pod], spec: dict[str, Any], expected: Any) -> None:
    assert step(pods, **spec) == expected


@pytest.mark.proves("jobs")
def test_after_a_failure_the_next_pod_waits_longer_each_time() -> None:
    failed = [member("a", "Failed")]
    assert step(failed, now=START + timedelta(seconds=9)) == ([], [], "")
    assert step(failed, now=START + timedelta(seconds=10)) == ([None], [], "")
    assert step([*failed, member("b", "Failed")], now=START + timedelta(seconds=19)) == ([], [], "")


@pytest.mark.proves("jobs")
def test_each_index_is_done_once() -> None:
    spec: dict[str, Any] = {"completions": 4, "parallelism": 2, "completionMode": "Indexed"}
    assert step([], **spec)[0] == [0, 1]
    assert step([member("a", "Succeeded", 0), member("b", index=1)], **spec)[0] == [2]
    assert step([member("a", "Failed", 0), member("b", index=1)], **spec)[0] == [0]
    twice = [member("a", "Succeeded", 0), member("b", "Succeeded", 0), member("c", index=1), member("d", index=2)]
    assert step(twice, **{**spec, "completions": 3}) == ([], [], "")
    assert step([member("d", index=3)], status={"completedIndexes": "0-2"}, **spec)[0] == []


def test_a_job_that_takes_too_long_fails_and_its_pods_end() -> None:
    assert step([member("a")], activeDeadlineSeconds=3599, status=STARTED) == ([], ["a"], "DeadlineExceeded")
    plan = job_plan.plan(job(activeDeadlineSeconds=3660, status=STARTED), [member("a")], NOW)
    assert (plan.verdict, plan.again_after) == (None, 60)


def test_containers_that_start_again_count_as_failures() -> None:
    template = {"spec": {"restartPolicy": "OnFailure"}}
    status = {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 2}]}
    looping = msgspec.structs.replace(member("a"), status=msgspec.convert(status, PodStatus))
    assert step([looping], template=template, backoffLimit=3)[2] == ""
    assert step([looping], template=template, backoffLimit=2)[2] == "BackoffLimitExceeded"


def test_the_status_says_when_it_began_what_was_done_and_how_it_ended() -> None:
    spec = {"completions": 3, "completionMode": "Indexed"}
    pods = [member("a", "Succeeded", 0), member("b", "Succeeded", 1), member("c", index=2)]
    running = job_plan.status(job(**spec), pods, None, NOW)
    assert (running.active, running.succeeded, running.completed_indexes) == (1, 2, "0,1")
    assert (running.start_time, running.completion_time) == ("2026-01-01T01:00:00Z", None)
    verdict = job_plan.Verdict("Complete", "CompletionsReached", "done")
    ended = job_plan.status(job(status=STARTED, **spec), pods[:2], verdict, NOW)
    assert (ended.start_time, ended.completion_time) == ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")
    assert [(c.type, c.status) for c in ended.conditions] == [("SuccessCriteriaMet", "True"), ("Complete", "True")]


def test_suspending_is_told_and_stops_the_clock() -> None:
    suspended = job_plan.status(job(suspend=True, status=STARTED), [], None, NOW)
    assert suspended.start_time is None
    assert [(c.type, c.status) for c in suspended.conditions] == [("Suspended", "True")]
    condition = {"type": "Suspended", "status": "True"}
    resumed = job_plan.status(job(status={"conditions": [condition]}), [], None, NOW)
    assert [(c.type, c.status) for c in resumed.conditions] == [("Suspended", "False")]


@pytest.mark.parametrize(("numbers", "text"), [(set(), ""), ({0}, "0"), ({0, 1, 5}, "0,1,5"), ({0, 1, 2, 7}, "0-2,7")])
def test_indexes_as_text(numbers: set[int], text: str) -> None:
    assert job_plan.write_indexes(numbers) == text
    assert job_plan.read_indexes(text, 8) == numbers


@pytest.mark.proves("bad-status")
@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0-999999999999", {0, 1, 2}), ("a,1,-,2-,-2", {1}), ("7-3", set()), ("9" * 5000, set()), ("\u0663", set())],
)
def test_indexes_that_nobody_checked(text: str, numbers: set[int]) -> None:
    assert job_plan.read_indexes(text, 3) == numbers


def test_a_pod_knows_its_index() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "env": []}]}}
    body = job_plan.pod_body(job(template=template), "sum-2-abcde", 2)
    assert body["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == "2"
    assert body["spec"]["hostname"] == "sum-2"
    assert body["spec"]["containers"][0]["env"] == [{"name": "JOB_COMPLETION_INDEX", "value": "2"}]
    assert template["spec"]["containers"][0]["env"] == []  # type: ignore[index]


@pytest.mark.parametrize(("text", "index"), [("0", 0), ("12", 12), ("", None), ("x", None), ("9" * 5000, None)])
def test_the_index_of_a_pod_is_what_its_annotation_says(text: str, index: int | None) -> None:
    found = pod("a", metadata={"annotations": {job_plan.INDEX: text}})
    assert job_plan.index_of(found) == index
