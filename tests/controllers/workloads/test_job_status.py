from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from podwire.controllers.workloads import job_status
from podwire.controllers.workloads.job_plan import Verdict
from podwire.kube.batch import Job, JobStatus
from podwire.kube.core import Pod
from tests.controllers.build import job
from tests.controllers.workloads.job_pods import member

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
STARTED = {"startTime": "2026-01-01T00:00:00Z"}
DONE = Verdict("SuccessCriteriaMet", "CompletionsReached", "done")
LOST = Verdict("FailureTarget", "BackoffLimitExceeded", "lost")


def after(subject: Job, pods: list[Pod], verdict: Verdict | None = None) -> tuple[JobStatus, list[str]]:
    tracked = job_status.track(subject, pods, verdict, NOW)
    return tracked.status, [pod.metadata.name for pod in tracked.release]


def with_status(subject: Job, status: JobStatus) -> Job:
    return msgspec.structs.replace(subject, status=status)


@pytest.mark.proves("jobs")
def test_a_finished_pod_is_counted_once_whatever_becomes_of_it() -> None:
    subject = job(completions=3)
    first, release = after(subject, [member("a", "Succeeded"), member("b", "Failed"), member("c")])
    assert (first.succeeded, first.failed, first.active) == (0, 0, 1)
    assert first.uncounted_terminated_pods.succeeded == ("uid-a",)
    assert release == ["a", "b"]
    again, _ = after(with_status(subject, first), [member("a", "Succeeded"), member("b", "Failed"), member("c")])
    assert again == first, "the same view adds nothing"
    released = [member("a", "Succeeded", counted=True), member("c")]
    second, _ = after(with_status(subject, first), released)
    assert (second.succeeded, second.failed) == (1, 1), "a released pod and one that is gone"
    assert after(with_status(subject, second), [member("c")])[0] == second


def test_completed_indexes_need_no_uids() -> None:
    subject = job(completions=3, completionMode="Indexed")
    pods = [member("a", "Succeeded", 0), member("b", "Succeeded", 1), member("c", index=2)]
    status, release = after(subject, pods)
    assert (status.active, status.succeeded, status.completed_indexes) == (1, 2, "0,1")
    assert (status.start_time, status.completion_time, release) == ("2026-01-01T01:00:00Z", None, ["a", "b"])
    assert status.uncounted_terminated_pods.succeeded == ()


def test_the_end_waits_until_all_is_counted_and_nothing_runs() -> None:
    subject = job(completions=1, status=STARTED)
    announced, release = after(subject, [member("a", "Succeeded")], DONE)
    assert [c.type for c in announced.conditions] == ["SuccessCriteriaMet"]
    assert release == ["a"]
    counted = [member("a", "Succeeded", counted=True)]
    waiting, _ = after(with_status(subject, announced), [*counted, member("b", ending=True, counted=True)], DONE)
    assert [c.type for c in waiting.conditions] == ["SuccessCriteriaMet"]
    ended, _ = after(with_status(subject, waiting), counted, DONE)
    assert [(c.type, c.status) for c in ended.conditions] == [("SuccessCriteriaMet", "True"), ("Complete", "True")]
    assert (ended.start_time, ended.completion_time) == ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")
    assert ended.conditions[0].last_probe_time == "2026-01-01T01:00:00Z"


def test_pods_that_a_failed_job_ends_count_as_failed_those_of_a_successful_one_do_not() -> None:
    pods = [member("a", ending=True)]
    assert after(job(completions=2, podReplacementPolicy="Failed"), pods, LOST)[0].uncounted_terminated_pods.failed
    assert not after(job(completions=2, podReplacementPolicy="Failed"), pods, DONE)[0].uncounted_terminated_pods.failed


def test_ignored_failures_are_released_and_not_counted() -> None:
    rules = [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [42]}}]
    status, release = after(job(podFailurePolicy={"rules": rules}), [member("a", "Failed", exit_code=42)])
    assert (status.uncounted_terminated_pods.failed, release) == ((), ["a"])


def test_a_failed_pod_is_kept_until_its_index_has_a_new_one() -> None:
    spec: dict[str, Any] = {"completions": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1}
    failed = member("a", "Failed", 0)
    assert after(job(**spec), [failed])[1] == []
    assert after(job(**spec), [failed, member("b", index=0, failures=1)])[1] == ["a"]
    status, release = after(job(**spec), [member("a", "Failed", 0, failures=1)])
    assert (status.failed_indexes, release) == ("0", ["a"])


def test_a_status_has_at_most_so_many_uids() -> None:
    pods = [member(f"p{number}", "Succeeded") for number in range(job_status.MAX_UNCOUNTED + 1)]
    status, release = after(job(completions=len(pods)), pods, DONE)
    assert len(status.uncounted_terminated_pods.succeeded) == len(release) == job_status.MAX_UNCOUNTED


def test_pods_of_a_deleted_job_are_released() -> None:
    deleted = job(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert after(deleted, [member("a"), member("b", counted=True)])[1] == ["a"]


def test_suspending_is_reported_and_stops_the_clock() -> None:
    suspended, _ = after(job(suspend=True, status=STARTED), [])
    assert suspended.start_time is None
    assert [(c.type, c.status) for c in suspended.conditions] == [("Suspended", "True")]
    resumed, _ = after(with_status(job(), suspended), [])
    assert [(c.type, c.status) for c in resumed.conditions] == [("Suspended", "False")]
    assert resumed.start_time == "2026-01-01T01:00:00Z"
    later = job_status.track(with_status(job(), resumed), [], None, NOW + timedelta(hours=1)).status
    assert later.start_time == resumed.start_time


def test_conditions_of_others_stay() -> None:
    custom = {"type": "Custom", "status": "True", "lastProbeTime": "2026-01-01T00:00:00Z"}
    status, _ = after(job(status={"conditions": [custom]}), [member("a")])
    assert msgspec.to_builtins(status.conditions[0]) == custom


def test_a_patch_removes_what_has_no_value_and_writes_zeros() -> None:
    body = job_status.as_json(JobStatus(failed_indexes=""))
    assert (body["active"], body["startTime"], body["failedIndexes"]) == (0, None, "")
    assert body["uncountedTerminatedPods"] == {"succeeded": None, "failed": None}
