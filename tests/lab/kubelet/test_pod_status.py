from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.kube.core import Pod
from podwire.lab.kubelet import pod_events, pod_status
from podwire.lab.kubelet.pod_status import Health, Observation
from podwire.lab.kubelet.sandbox import Failure
from podwire.lab.shim.lifecycle import CRASH_LOOP, CREATE_ERROR, Record, Running, Terminated, Waiting

RUNS = Running(pid=5, ticks=1, started=1_700_000_000.0)
NOW = "2026-01-01T00:00:00Z"


def pod(policy: str = "Always", **changes: Any) -> Pod:
    spec = {
        "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}],
        "restartPolicy": policy,
        **changes,
    }
    return msgspec.convert({"metadata": {"name": "p", "uid": "u"}, "spec": spec}, Pod)


def record(name: str, state: Waiting | Running | Terminated, starts: int = 1) -> Record:
    return Record(name=name, state=state, starts=starts)


def end(code: int) -> Terminated:
    return Terminated(exit_code=code, reason="Error" if code else "Completed")


def seen(*records: Record, **changes: Any) -> Observation:
    return Observation(records={entry.name: entry for entry in records}, **changes)


@pytest.mark.proves("pod-lifecycle")
@pytest.mark.parametrize(
    ("policy", "states", "wanted"),
    [
        ("Always", (Waiting(), Waiting()), "Pending"),
        ("Always", (RUNS, Waiting()), "Pending"),
        ("Always", (RUNS, RUNS), "Running"),
        ("Never", (RUNS, end(1)), "Running"),
        ("Never", (end(0), end(0)), "Succeeded"),
        ("Never", (end(0), end(1)), "Failed"),
        ("OnFailure", (end(0), end(0)), "Succeeded"),
    ],
)
def test_phases(policy: str, states: tuple[Any, Any], wanted: str) -> None:
    records = [
        record(name, state, starts=0 if isinstance(state, Waiting) else 1)
        for name, state in zip("ab", states, strict=True)
    ]
    assert pod_status.phase(pod(policy), seen(*records)) == wanted


def test_a_container_that_crashes_belongs_to_a_running_pod() -> None:
    crashed = record("a", Waiting(reason=CRASH_LOOP), starts=2)
    assert pod_status.phase(pod(), seen(crashed, record("b", RUNS))) == "Running"


def test_a_failed_init_container_fails_the_pod_that_never_restarts() -> None:
    init = {"initContainers": [{"name": "i"}]}
    assert pod_status.phase(pod("Never", **init), seen(record("i", end(1)))) == "Failed"
    assert pod_status.phase(pod("Always", **init), seen(record("i", end(1)))) == "Pending"


def conditions(status: pod_status.Status) -> dict[str, tuple[str, str]]:
    return {entry.type: (entry.status, entry.reason) for entry in status.conditions}


@pytest.mark.proves("pod-lifecycle")
def test_conditions_follow_containers_and_their_health() -> None:
    both = (record("a", RUNS), record("b", RUNS))
    found = pod_status.status(pod(), seen(*both, pod_addresses=("10.0.0.1",)), NOW)
    assert {entry.status for entry in found.conditions} == {"True"}
    ill = seen(*both, pod_addresses=("10.0.0.1",), health={"b": Health(started=True, ready=False)})
    found = pod_status.status(pod(), ill, NOW)
    assert conditions(found)["Ready"] == ("False", "ContainersNotReady")
    assert found.conditions[-1].message == "containers with unready status: [b]"
    assert [entry.ready for entry in found.container_statuses] == [True, False]


def test_readiness_gates() -> None:
    gated = pod(readinessGates=[{"conditionType": "example.com/x"}])
    both = seen(record("a", RUNS), record("b", RUNS))
    assert conditions(pod_status.status(gated, both, NOW))["Ready"] == ("False", "ReadinessGatesNotReady")
    closed = msgspec.convert(
        {**msgspec.to_builtins(gated), "status": {"conditions": [{"type": "example.com/x", "status": "False"}]}}, Pod
    )
    messages = [
        next(c.message for c in pod_status.status(one, both, NOW).conditions if c.type == "Ready")
        for one in (gated, closed)
    ]
    assert messages == [
        'corresponding condition of pod readiness gate "example.com/x" does not exist.',
        'the status of pod readiness gate "example.com/x" is not "True", but False',
    ]
    state = {"conditions": [{"type": "example.com/x", "status": "True"}]}
    opened = msgspec.convert({**msgspec.to_builtins(gated), "status": state}, Pod)
    found = conditions(pod_status.status(opened, both, NOW))
    assert found["Ready"][0] == "True"
    assert found["example.com/x"][0] == "True", "conditions of others stay"


def test_a_condition_keeps_its_time_while_it_holds() -> None:
    both = seen(record("a", RUNS), record("b", RUNS))
    first = pod_status.status(pod(), both, NOW)
    later = pod_status.status(pod(), both, "2026-01-01T00:00:09Z", pod_status.own(first.conditions))
    assert later.conditions == first.conditions
    waiting = seen(record("a", Waiting()), record("b", RUNS))
    changed = pod_status.status(pod(), waiting, "2026-01-01T00:00:09Z", pod_status.own(first.conditions))
    assert changed.conditions[-1].last_transition_time == "2026-01-01T00:00:09Z"


def test_what_is_written_names_what_must_not_be_left_out() -> None:
    trouble = {"a": Waiting(reason="CreateContainerConfigError", message="why")}
    found = pod_status.patch(pod(), pod_status.status(pod(), seen(troubles=trouble, start_time=NOW), NOW))
    assert found["metadata"] == {"uid": "u"}
    first, second = found["status"]["containerStatuses"]
    assert first["state"] == {"waiting": {"reason": "CreateContainerConfigError", "message": "why"}}
    assert second == {
        "name": "b",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ContainerCreating"}},
        "image": "y",
        "imageID": "",
        "lastState": {},
    }
    assert found["status"]["startTime"] == NOW


def test_events_of_a_container() -> None:
    waiting, running = record("a", Waiting(), starts=0), record("a", RUNS)

    def reasons(before: Record | None, after: Record) -> list[str]:
        return [notice.reason for notice in pod_events.between(before, after)]

    assert reasons(waiting, running) == ["Created", "Started"]
    assert reasons(running, running) == []
    assert reasons(running, record("a", Waiting(reason=CRASH_LOOP))) == ["BackOff"]
    assert reasons(waiting, record("a", Waiting(reason=CREATE_ERROR, message="x"), starts=0)) == ["Failed"]
    assert reasons(None, waiting) == []


def test_what_runs_in_place_of_an_image_is_said() -> None:
    stand_in = pod_events.pulled("a", "nginx", "podwire://stand-in/nginx", "a stand-in answers")
    assert (stand_in.reason, stand_in.warning) == ("StandIn", True)
    moved = pod_events.moved("a", "web:v1", "sha256:1", "podwire://stand-in/web:v1")
    assert (moved.reason, moved.warning) == ("ImageMoved", True)
    assert "next start it would be podwire://stand-in/web:v1" in moved.message
    assert "cannot start again" in pod_events.moved("a", "web:v1", "sha256:1", "").message
    ours = pod_events.pulled("a", "busybox", "podwire://machine/busybox", "")
    assert ours.message == 'Container image "busybox" is not pulled: container a runs this machine\'s programs'
    assert "already present" in pod_events.pulled("a", "busybox", "sha256:1", "").message


def test_a_status_names_the_generation_that_it_is_about_and_leaves_the_class_to_the_server() -> None:
    made = msgspec.convert({"metadata": {"name": "web", "generation": 3}, "spec": {"containers": [{"name": "a"}]}}, Pod)
    found = pod_status.patch(made, pod_status.status(made, seen(record("a", RUNS)), NOW))["status"]
    assert found["observedGeneration"] == 3
    assert {condition["observedGeneration"] for condition in found["conditions"]} == {3}
    assert "qosClass" not in found, "the server sets it once, and refuses another one"


@pytest.mark.parametrize("disrupts", [True, False])
def test_a_pod_that_its_node_evicts_for_itself_is_disrupted(disrupts: bool) -> None:
    failure = Failure(reason="Evicted", message="The node was low on resource", disrupts=disrupts)
    records = record("a", end(137)), record("b", end(137))
    ended = seen(*records, failure=failure, stopping=True, start_time=NOW)
    first = pod_status.status(pod(), ended, NOW)
    again = pod_status.status(pod(), ended, "2026-01-01T00:01:00Z", pod_status.own(first.conditions))
    found = [condition for condition in first.conditions if condition.type == "DisruptionTarget"]
    assert [(one.status, one.reason, one.message) for one in found] == (
        [("True", "TerminationByKubelet", failure.message)] if disrupts else []
    )
    assert again == first, "its time is that of the eviction"
