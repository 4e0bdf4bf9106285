from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from podwire.lab.base.pidfd import start_ticks
from podwire.lab.container.plan import Call, ContainerPlan, Mount, Refuse
from podwire.lab.shim import messages
from podwire.lab.shim.lifecycle import CRASH_LOOP, CREATE_ERROR, START_ERROR, Running, Terminated, Waiting
from tests.lab.shims import ShimOfTest, ended, plan, until
from tests.sandbox import in_world

FOLDER = Path("/run/podwire/nodes/node-1/pods/1")


async def shim() -> ShimOfTest:
    subject = ShimOfTest(FOLDER)
    await subject.start()
    return subject


def script(text: str, **changes: object) -> ContainerPlan:
    return plan("sh", "-c", text, **changes)


@in_world
async def test_output_and_exit_code_of_a_container() -> None:
    pod = await shim()
    await pod.apply(script("echo out; echo err >&2; printf part; exit 3", restart="Never"))
    records = await pod.state(lambda r: isinstance(r["main"].state, Terminated))
    assert ended(records["main"]).exit_code == 3
    lines = sorted(line.split(" ", 1)[1] for line in pod.log().splitlines())
    assert lines == ["stderr F err", "stdout F out", "stdout P part"]


@in_world
async def test_a_plan_that_was_there_before_the_shim_is_run_once_and_its_input_ends() -> None:
    pod = ShimOfTest(FOLDER)
    pod.write(script("cat; echo ended", restart="Never", stdin=True, stdin_once=True))
    await pod.start()
    await pod.state(lambda r: isinstance(r["main"].state, Running))
    assert await pod.ask(messages.CloseInput(container="main")) == messages.Done()
    records = await pod.state(lambda r: isinstance(r["main"].state, Terminated))
    assert (ended(records["main"]).exit_code, pod.log().count("ended")) == (0, 1)


@in_world
async def test_a_container_outlives_its_shim_and_the_next_one_adopts_it() -> None:
    pod = await shim()
    await pod.apply(script("trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done"))
    records = await pod.state(lambda r: isinstance(r["main"].state, Running))
    before = records["main"].state
    await until(lambda: "line 3\n" in pod.log())
    await pod.kill()
    await pod.start()
    records = await pod.state(lambda r: isinstance(r["main"].state, Running))
    assert records["main"].state == before, "the same process"
    count = len(pod.log().splitlines())
    await until(lambda: len(pod.log().splitlines()) > count + 5)
    numbers = [int(line.rsplit(" ", 1)[1]) for line in pod.log().splitlines()]
    assert numbers == list(range(1, len(numbers) + 1)), "no line is lost and none comes twice"
    assert await pod.ask(messages.Stop(grace_seconds=10)) == messages.Done()
    records = await pod.state(lambda r: isinstance(r["main"].state, Terminated))
    assert ended(records["main"]).exit_code == 7


@in_world
async def test_how_a_container_ended_while_there_was_no_shim() -> None:
    pod = await shim()
    gate = Path("/run/gate")
    gate.mkdir()
    mounts = (Mount(source=str(gate), target="/gate"),)
    waits = script("while ! test -e /gate/open; do sleep 0.01; done; exit 9", restart="Never", mounts=mounts)
    await pod.apply(waits, script("sleep 60", name="other"))
    records = await pod.state(lambda r: all(isinstance(e.state, Running) for e in r.values()))
    await pod.kill()
    (gate / "open").touch()
    state = records["main"].state
    assert isinstance(state, Running)
    await until(lambda: start_ticks(state.pid) == 0)
    await pod.start()
    records = await pod.state(lambda r: isinstance(r["main"].state, Terminated))
    assert ended(records["main"]).exit_code == 9
    assert isinstance(records["other"].state, Running)


@in_world
async def test_a_container_that_died_with_its_shim_starts_again() -> None:
    pod = await shim()
    await pod.apply(script("sleep 60"))
    records = await pod.state(lambda r: isinstance(r["main"].state, Running))
    first = records["main"].state
    assert isinstance(first, Running)
    await pod.kill()
    os.kill(first.pid, signal.SIGKILL)
    await until(lambda: start_ticks(first.pid) == 0)
    await pod.start()
    records = await pod.state(lambda r: isinstance(r["main"].state, Running) and r["main"].restarts == 1)
    assert records["main"].state != first


@pytest.mark.proves("pod-lifecycle")
@in_world
async def test_restarts_follow_the_policy() -> None:
    pod = await shim()
    await pod.apply(
        script("exit 1", name="always"),
        script("exit 0", name="on-failure", restart="OnFailure"),
        script("exit 1", name="never", restart="Never"),
    )
    records = await pod.state(lambda r: getattr(r["always"].state, "reason", "") == CRASH_LOOP)
    assert records["always"].starts == 2, "the first restart is at once"
    assert "back-off 10s" in records["always"].state.message  # type: ignore[union-attr]
    assert records["always"].last is not None
    assert records["always"].last.exit_code == 1
    records = await pod.state(lambda r: all(isinstance(r[n].state, Terminated) for n in ("on-failure", "never")))
    assert (records["on-failure"].starts, records["never"].starts) == (1, 1)


@in_world
async def test_what_cannot_start_waits_with_the_reason() -> None:
    pod = await shim()
    refused = plan(name="refused", program=Refuse(message="no image: x"))
    missing = plan(name="missing", restart="Never", program=Refuse(message="no such command: x", at_start=True))
    await pod.apply(plan("absent"), refused, missing)
    records = await pod.state(
        lambda r: [getattr(e.state, "reason", "") for e in r.values()] == [CRASH_LOOP, CREATE_ERROR, START_ERROR]
    )
    assert records["main"].last is not None
    assert (records["main"].last.exit_code, records["main"].starts) == (128, 2)
    assert "executable file not found" in records["main"].last.message
    assert records["refused"].state == Waiting(reason=CREATE_ERROR, message="no image: x")
    assert records["missing"].state.message == "no such command: x"  # type: ignore[union-attr]


@in_world
async def test_a_container_leaves_a_termination_message() -> None:
    pod = await shim()
    path = pod.folder / "containers"
    mounts = {name: Mount(source=str(path / name / "termination-log"), target="/dev/last") for name in "abc"}
    await pod.apply(
        script("echo logged; echo failed > /dev/last; exit 1", name="a", restart="Never", mounts=(mounts["a"],)),
        script("echo one; echo two; exit 1", name="b", restart="Never", mounts=(mounts["b"],), message_from_log=True),
        script("echo fine", name="c", restart="Never", mounts=(mounts["c"],), message_from_log=True),
    )
    records = await pod.state(lambda r: all(isinstance(e.state, Terminated) for e in r.values()))
    last = {name: record.state.message for name, record in records.items()}  # type: ignore[union-attr]
    assert last == {"a": "failed\n", "b": "one\ntwo\n", "c": ""}


@pytest.mark.proves("pod-lifecycle")
@in_world
async def test_init_containers_run_in_order_before_the_others() -> None:
    pod = await shim()
    await pod.apply(
        script("echo first", name="first", init=True, restart="OnFailure"),
        script("sleep 60", name="sidecar", init=True, restart="Always"),
        script("echo second", name="second", init=True, restart="OnFailure"),
        script("sleep 60"),
    )
    records = await pod.state(lambda r: isinstance(r["main"].state, Running))
    first, second = ended(records["first"]), ended(records["second"])
    sidecar, main = records["sidecar"].state, records["main"].state
    assert isinstance(sidecar, Running)
    assert isinstance(main, Running)
    assert first.finished <= sidecar.started <= second.started <= second.finished <= main.started


@in_world
async def test_a_failed_init_container_keeps_the_others_from_starting() -> None:
    pod = await shim()
    await pod.apply(script("exit 4", name="first", init=True, restart="Never"), script("sleep 60", restart="Never"))
    records = await pod.state(lambda r: isinstance(r["first"].state, Terminated))
    assert ended(records["first"]).exit_code == 4
    assert isinstance(records["main"].state, Waiting)


@in_world
async def test_commands_run_in_a_container() -> None:
    pod = await shim()
    await pod.apply(script("echo here > /tmp/mark; sleep 60"))
    await pod.state(lambda r: isinstance(r["main"].state, Running))
    answer, output = await pod.run("sh", "-c", "while ! test -s /tmp/mark; do :; done; cat /tmp/mark; exit 5")
    assert (answer, output) == (messages.Exited(code=5), "here\n")
    answer, _ = await pod.run("absent")
    assert isinstance(answer, messages.Failed)
    assert "executable file not found" in answer.message
    answer, _ = await pod.run("true", name="nobody")
    assert answer == messages.Failed(message="container nobody is not running")


@in_world
async def test_a_command_ends_without_its_client() -> None:
    pod = await shim()
    await pod.apply(script("sleep 60"))
    await pod.state(lambda r: isinstance(r["main"].state, Running))
    reader, writer = os.pipe()
    async with pod.conversation() as peer:
        request = messages.Execute(container="main", command=("sh", "-c", "echo $$; exec sleep 60"))
        await peer.send(messages.encode(request), [reader, writer, writer])
        os.close(writer)
        inner = int(os.read(reader, 20))
    answer, _ = await pod.run("sh", "-c", f"while kill -0 {inner} 2>/dev/null; do :; done")
    assert answer == messages.Exited(code=0)


@in_world
async def test_terminals_of_commands_and_containers() -> None:
    pod = await shim()
    await pod.apply(script("tty; read line; echo got $line; sleep 60", terminal=True, stdin=True))
    await until(lambda: "/dev/pts/0" in pod.log())
    (FOLDER / "containers" / "main" / "stdin").write_text("words\n")
    await until(lambda: "got words" in pod.log())
    async with pod.conversation() as peer:
        await peer.send(messages.encode(messages.Execute(container="main", command=("tty",), terminal=True)))
        packet, descriptors = await peer.receive()
        assert messages.decode(packet) == messages.Terminal()
        assert messages.decode((await peer.receive())[0]) == messages.Exited(code=0)
    assert os.read(descriptors[0], 100).strip() == b"/dev/pts/1"
    await pod.kill()
    await pod.start()
    records = await pod.state(lambda r: isinstance(r["main"].state, Running))
    assert records["main"].restarts == 0, "a terminal outlives the shim"


@in_world
async def test_python_of_our_own_runs_by_forking() -> None:
    pod = await shim()
    call = Call(function="tests.lab.shim.test_server:in_a_container", arguments={"word": "hello"})
    await pod.apply(plan(program=call, restart="Never"))
    records = await pod.state(lambda r: isinstance(r["main"].state, Terminated))
    assert ended(records["main"]).exit_code == 6, pod.log()
    assert "stdout F hello from pid 1" in pod.log()


def in_a_container(arguments: dict[str, str]) -> None:
    sys.stdout.write(f"{arguments['word']} from pid {os.getpid()}\n")
    raise SystemExit(6)


@in_world
async def test_input_that_ends_once() -> None:
    pod = await shim()
    await pod.apply(script("cat", stdin=True, stdin_once=True, restart="Never"))
    await pod.state(lambda r: isinstance(r["main"].state, Running))
    (FOLDER / "containers" / "main" / "stdin").write_text("all of it\n")
    assert await pod.ask(messages.CloseInput(container="main")) == messages.Done()
    records = await pod.state(lambda r: isinstance(r["main"].state, Terminated))
    assert ended(records["main"]).exit_code == 0
    assert "stdout F all of it" in pod.log()


@pytest.mark.proves("pod-lifecycle")
@in_world
async def test_a_stubborn_container_is_killed_after_its_grace() -> None:
    pod = await shim()
    await pod.apply(script("trap '' TERM; while :; do sleep 1; done"))
    await pod.state(lambda r: isinstance(r["main"].state, Running))
    await pod.ask(messages.Stop(grace_seconds=0.1))
    records = await pod.state(lambda r: isinstance(r["main"].state, Terminated))
    assert (ended(records["main"]).exit_code, ended(records["main"]).signal) == (137, 9)
    async with pod.conversation() as peer:
        await peer.send(messages.encode(messages.Quit()))
    await until(lambda: start_ticks(pod.pid) == 0)
