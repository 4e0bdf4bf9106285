from __future__ import annotations

import msgspec
import pytest

from podwire.lab.container.plan import ContainerPlan, Execute, PodPlan, Refuse
from podwire.lab.shim import lifecycle
from podwire.lab.shim.lifecycle import CRASH_LOOP, CREATE_ERROR, Record, Running, Terminated, Waiting

RUNNING = Running(pid=5, ticks=1, started=0.0)


def container(name: str, restart: str = "Always", *, init: bool = False, command: str = "x") -> ContainerPlan:
    return ContainerPlan(name=name, program=Execute(arguments=(command,)), restart=restart, init=init)


def pod(*containers: ContainerPlan) -> PodPlan:
    return PodPlan(uid="1", namespace="n", name="p", hostname="p", network="/n", containers=containers)


def ended(code: int = 1, ran: float = 1.0) -> Terminated:
    return Terminated(exit_code=code, started=0.0, finished=ran)


def test_pauses_double_from_ten_seconds_to_five_minutes() -> None:
    only = container("main")
    record = Record(name="main")
    pauses = []
    for _ in range(8):
        record = lifecycle.ended(lifecycle.started(record, RUNNING), only, ended(), 1000.0, stopping=False)
        pauses.append(record.due - 1000.0)
    assert pauses == [0, 10, 20, 40, 80, 160, 300, 300]
    assert record.restarts == 7
    assert record.state == Waiting(reason=CRASH_LOOP, message="back-off 5m0s restarting failed container=main")
    steady = lifecycle.ended(record, only, ended(ran=601), 1000.0, stopping=False)
    assert steady.due == 1000.0, "ten minutes of running end the back-off"


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [("Always", 0, True), ("OnFailure", 1, True), ("OnFailure", 0, False), ("Never", 1, False)],
)
def test_policies(policy: str, code: int, again: bool) -> None:
    record = lifecycle.ended(Record(name="main"), container("main", policy), ended(code), 0.0, stopping=False)
    assert isinstance(record.state, Waiting) is again
    stopped = lifecycle.ended(Record(name="main"), container("main", policy), ended(code), 0.0, stopping=True)
    assert isinstance(stopped.state, Terminated)


def test_containers_start_after_init_containers_and_sidecars() -> None:
    plan = pod(
        container("a", "OnFailure", init=True),
        container("side", init=True),
        container("b", "OnFailure", init=True),
        container("m"),
        container("n"),
    )
    records = lifecycle.initial(plan)

    def due() -> list[str]:
        return [entry.name for entry in lifecycle.due(plan, records, 0.0)]

    assert due() == ["a"]
    records["a"] = msgspec.structs.replace(records["a"], state=ended(1))
    assert due() == []
    records["a"] = msgspec.structs.replace(records["a"], state=ended(0))
    assert due() == ["side"]
    records["side"] = lifecycle.started(records["side"], RUNNING)
    assert due() == ["b"]
    records["b"] = msgspec.structs.replace(records["b"], state=ended(0))
    assert due() == ["m", "n"]


def test_sidecars_end_when_what_they_serve_has_ended() -> None:
    plan = pod(container("side", init=True), container("m", "Never"))
    records = {"side": Record(name="side", state=RUNNING, starts=1), "m": Record(name="m", state=RUNNING, starts=1)}
    assert lifecycle.leftovers(plan, records) == []
    records["m"] = Record(name="m", state=ended(0), starts=1)
    assert [entry.name for entry in lifecycle.leftovers(plan, records)] == ["side"]
    assert not lifecycle.finished(plan, records)
    records["side"] = Record(name="side", state=Waiting(), starts=1)
    assert lifecycle.due(plan, records, 0.0) == []


def test_a_failed_init_container_finishes_the_pod() -> None:
    plan = pod(container("a", "Never", init=True), container("m", "Never"))
    records = lifecycle.initial(plan)
    assert not lifecycle.finished(plan, records)
    records["a"] = Record(name="a", state=ended(2))
    assert lifecycle.finished(plan, records)


def test_a_refused_program_is_tried_again_and_at_once_when_it_changes() -> None:
    record = lifecycle.refused(Record(name="main"), "no such program", 100.0)
    assert (record.due, record.restarts) == (110.0, 0)
    assert record.state == Waiting(reason=CREATE_ERROR, message="no such program")
    hopeless = pod(ContainerPlan(name="main", program=Refuse(message="x")))
    assert lifecycle.reprieved(hopeless, hopeless, {"main": record}) == {}
    fresh = lifecycle.reprieved(hopeless, pod(container("main")), {"main": record})
    assert fresh["main"].due == 0
    assert lifecycle.next_due(pod(container("main")), fresh, 50.0) == 0


def test_a_program_that_cannot_be_run_is_an_end_with_128() -> None:
    how = lifecycle.start_error('exec: "x": no such file', 1000.0)
    first = lifecycle.ended(Record(name="main", starts=1), container("main"), how, 100.0, stopping=False)
    assert first.state == Waiting(reason="RunContainerError", message='exec: "x": no such file')
    assert (first.last, first.due) == (how, 100.0)
    assert (how.exit_code, how.reason) == (128, "StartError")
    second = lifecycle.ended(first, container("main"), how, 100.0, stopping=False)
    assert second.state == Waiting(reason=CRASH_LOOP, message="back-off 10s restarting failed container=main")
    never = lifecycle.ended(Record(name="main", starts=1), container("main", "Never"), how, 100.0, stopping=False)
    assert never.state == how
    hopeless = pod(ContainerPlan(name="main", program=Refuse(message="x", at_start=True)))
    assert lifecycle.reprieved(hopeless, pod(container("main")), {"main": second})["main"].due == 0.0
    assert lifecycle.reprieved(hopeless, pod(container("main", "Never")), {"main": never}) == {}


def test_pauses_are_written_as_go_writes_durations() -> None:
    record = Record(name="main", starts=5, backoff=80.0)
    waits = lifecycle.ended(record, container("main"), ended(1), 0.0, stopping=False).state
    assert waits == Waiting(reason=CRASH_LOOP, message="back-off 1m20s restarting failed container=main")


def debugger(**changes: str) -> ContainerPlan:
    return ContainerPlan(name="debugger", program=Execute(arguments=("x",)), restart="Never", ephemeral=True, **changes)  # type: ignore[arg-type]


def test_an_ephemeral_container_starts_whatever_the_others_do_and_keeps_no_pod_alive() -> None:
    plan = pod(container("init", "OnFailure", init=True), container("main", "Never"), debugger())
    records = lifecycle.initial(plan)
    assert [entry.name for entry in lifecycle.startable(plan, records)] == ["debugger", "init"]
    records["debugger"] = lifecycle.started(records["debugger"], RUNNING)
    records["init"] = Record(name="init", state=ended(0))
    assert [entry.name for entry in lifecycle.startable(plan, records)] == ["main"]
    records["main"] = Record(name="main", state=ended(0))
    assert [entry.name for entry in lifecycle.leftovers(plan, records)] == ["debugger"]
    records["debugger"] = Record(name="debugger", state=ended(3))
    assert lifecycle.finished(plan, records)
    assert lifecycle.startable(plan, records) == []
