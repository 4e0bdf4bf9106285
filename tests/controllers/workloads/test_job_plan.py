from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from podwire.controllers.workloads import job_plan, job_tally
from podwire.kube.batch import Job
from podwire.kube.core import Pod, PodStatus
from tests.controllers.build import job
from tests.controllers.workloads.job_pods import member

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(hours=1)
STARTED = {"startTime": "2026-01-01T00:00:00Z"}


def decide(subject: Job, pods: list[Pod], now: datetime = NOW) -> tuple[job_plan.Plan, job_plan.Verdict | None]:
    """The plan for the Job, or its verdict."""
    counts = job_tally.tally(subject, pods)
    verdict = job_plan.verdict(subject, pods, counts, now)
    if verdict is not None:
        return job_plan.Plan(delete=counts.active), verdict
    return job_plan.manage(subject, pods, counts, now), job_plan.complete(subject, counts)


def step(pods: list[Pod], now: datetime = NOW, **spec: Any) -> tuple[list[int | None], list[str], str]:
    plan, verdict = decide(job(**{"completions": 1, **spec}), pods, now)
    return list(plan.create), [item.metadata.name for item in plan.delete], verdict.reason if verdict else ""


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


@pytest.mark.proves("jobs")
def test_second_pods_of_an_index_and_pods_without_a_valid_one_are_deleted() -> None:
    spec: dict[str, Any] = {"completions": 2, "parallelism": 2, "completionMode": "Indexed"}
    pods = [member("a", index=0), member("b", index=0, ready=False), member("c", index=7), member("d")]
    create, delete, _ = step(pods, **spec)
    assert (create, sorted(delete)) == ([], ["b", "c", "d"])


PER_INDEX: dict[str, Any] = {
    "completions": 3,
    "parallelism": 3,
    "completionMode": "Indexed",
    "backoffLimitPerIndex": 1,
    "backoffLimit": 2**31 - 1,
}


def test_each_index_has_its_own_limit_of_failures() -> None:
    assert step([member("a", "Failed", 0)], **PER_INDEX)[0] == [0, 1, 2]
    assert step([member("a", "Failed", 0, failures=1)], **PER_INDEX)[0] == [1, 2]
    assert step([member("a", "Failed", 0, ignored=5)], **PER_INDEX)[0] == [0, 1, 2]


def test_an_index_waits_after_its_own_failures_only() -> None:
    failed = member("a", "Failed", 0)
    plan, _ = decide(job(**PER_INDEX), [failed], START + timedelta(seconds=4))
    assert (plan.create, plan.again_after) == ((1, 2), 6)


def test_too_many_failed_indexes_end_the_job_at_once_and_failed_ones_at_its_end() -> None:
    failed = [member(f"p{index}", "Failed", index, failures=1) for index in range(2)]
    assert step(failed, **PER_INDEX)[2] == ""
    assert step(failed, **PER_INDEX, maxFailedIndexes=1)[2] == "MaxFailedIndexesExceeded"
    assert step([*failed, member("c", "Succeeded", 2)], **PER_INDEX)[2] == "FailedIndexes"


def test_a_policy_fails_the_index_or_the_job_or_ignores_the_failure() -> None:
    def policy(action: str) -> dict[str, Any]:
        return {"rules": [{"action": action, "onExitCodes": {"operator": "In", "values": [42]}}]}

    failed = member("a", "Failed", 0, exit_code=42)
    assert step([failed], **PER_INDEX, podFailurePolicy=policy("FailIndex"))[0] == [1, 2]
    assert step([failed], podFailurePolicy=policy("FailJob"))[2] == "PodFailurePolicy"
    assert step([failed], podFailurePolicy=policy("Ignore"), backoffLimit=0)[2] == ""
    assert step([failed], podFailurePolicy=policy("Count"), backoffLimit=0)[2] == "BackoffLimitExceeded"


def test_enough_indexes_end_a_job_with_a_success_policy() -> None:
    spec: dict[str, Any] = {"completions": 5, "completionMode": "Indexed", "parallelism": 2}
    policy = {"rules": [{"succeededIndexes": "1"}]}
    pods = [member("a", "Succeeded", 1), member("b", index=0)]
    assert step(pods, **spec) == ([2], [], "")
    assert step(pods, **spec, successPolicy=policy) == ([], ["b"], "SuccessPolicy")


def test_a_pod_that_is_being_deleted_is_replaced_at_once_or_when_it_has_failed() -> None:
    assert step([member("a", ending=True)])[0] == [None]
    assert step([member("a", ending=True)], podReplacementPolicy="Failed")[0] == []
    assert step([member("a", "Failed", ending=True)], podReplacementPolicy="Failed")[0] == [None]


def test_an_announced_end_stays_whatever_happens_then() -> None:
    condition = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "late"}
    assert step([member("a", "Succeeded")], status={"conditions": [condition]})[2] == "DeadlineExceeded"


def test_a_job_that_takes_too_long_fails_and_its_pods_end() -> None:
    assert step([member("a")], activeDeadlineSeconds=3599, status=STARTED) == ([], ["a"], "DeadlineExceeded")
    plan, verdict = decide(job(completions=1, activeDeadlineSeconds=3660, status=STARTED), [member("a")])
    assert (verdict, plan.again_after) == (None, 60)


def test_containers_that_start_again_count_as_failures() -> None:
    template = {"spec": {"restartPolicy": "OnFailure"}}
    status = {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 2}]}
    looping = msgspec.structs.replace(member("a"), status=msgspec.convert(status, PodStatus))
    assert step([looping], template=template, backoffLimit=3)[2] == ""
    assert step([looping], template=template, backoffLimit=2)[2] == "BackoffLimitExceeded"


def test_a_pod_has_its_index_and_the_finalizer() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "env": []}]}}
    body = job_plan.pod_body(job(template=template), "sum-2-abcde", 2)
    assert body["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == "2"
    assert body["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    assert (body["metadata"]["generateName"], body["spec"]["hostname"]) == ("sum-2-", "sum-2")
    source = {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"}}
    assert body["spec"]["containers"][0]["env"] == [{"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]
    assert template["spec"]["containers"][0]["env"] == []  # type: ignore[index]


def test_a_pod_carries_the_failures_of_its_index() -> None:
    before = member("a", "Failed", 2, failures=3)
    annotations = job_plan.pod_body(job(**PER_INDEX), "sum-2-abcde", 2, before)["metadata"]["annotations"]
    assert annotations["batch.kubernetes.io/job-index-failure-count"] == "4"
    assert "batch.kubernetes.io/job-index-ignored-failure-count" not in annotations


def test_the_name_of_an_indexed_pod_keeps_its_index_however_long_the_job_s_is() -> None:
    beginning = job_plan.pod_prefix(job(metadata={"name": "x" * 63}), 12)
    assert (len(beginning), beginning[-4:]) == (58, "-12-")
