from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from podwire.kube.core import Container, Probe
from podwire.lab.kubelet.container_probes import ContainerProbes, Listeners, initial_health
from podwire.lab.kubelet.pod_events import PodEvent
from podwire.lab.kubelet.pod_status import Health
from podwire.lab.kubelet.probe import Prober, Schedule, Tally, port_number
from podwire.lab.kubelet.probe_actions import Answer


def probe(**settings: object) -> Probe:
    return msgspec.convert(settings, Probe)


def test_thresholds() -> None:
    requested = probe(successThreshold=2, failureThreshold=3)
    tally, seen = Tally(), []
    for success in (True, True, False, False, True, False, False, False, True, True):
        tally = tally.add(requested, success=success)
        seen.append(tally.verdict.value[0])
    assert "".join(seen) == "ussssssffs"


def test_an_eager_probe_runs_sooner_but_counts_once_a_period() -> None:
    schedule, now, counted = Schedule(10.0, eager=True), 0.0, 0
    for _ in range(20):
        counted += schedule.counts(now, success=False)
        schedule = schedule.after(now, success=False)
        now += schedule.wait
    assert counted == pytest.approx(now / 10, abs=1.5)
    assert schedule.wait == 10.0, "the pauses grow to the period"
    quick = Schedule(10.0, eager=True).after(0.0, success=False)
    assert quick.wait < 0.1
    assert quick.after(0.05, success=True).wait == 10.0
    assert Schedule(10.0, eager=False).wait == 10.0


def test_ports_by_name() -> None:
    container = msgspec.convert({"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}, Container)
    assert (port_number(container, "http"), port_number(container, 1), port_number(container, "90")) == (8080, 1, 90)
    with pytest.raises(ValueError, match="has no port of this name"):
        port_number(container, "other")


async def serve(status: str) -> tuple[asyncio.Server, int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


def prober(execute: Callable[[tuple[str, ...], float], Awaitable[int]] | None = None) -> Prober:
    async def never(command: tuple[str, ...], _: float) -> int:
        raise AssertionError(command)

    return Prober(Container(name="c"), "127.0.0.1", execute or never)


@pytest.mark.parametrize(
    ("status", "success"), [("200 OK", True), ("302 Found", True), ("404 No", False), ("503 No", False)]
)
async def test_http_answers(status: str, success: bool) -> None:
    server, port = await serve(status)
    async with server:
        answer = await prober().probe(probe(httpGet={"port": port, "path": "healthz"}))
    assert answer.success is success
    assert success or "statuscode" in answer.message


async def test_tcp_and_exec_and_time() -> None:
    server, port = await serve("200 OK")
    async with server:
        assert (await prober().probe(probe(tcpSocket={"port": port}))).success
    assert not (await prober().probe(probe(tcpSocket={"port": port}))).success

    async def execute(command: tuple[str, ...], _: float) -> int:
        if command == ("hang",):
            await asyncio.Event().wait()
        return len(command) - 1

    assert (await prober(execute).probe(probe(exec={"command": ["true"]}))).success
    assert not (await prober(execute).probe(probe(exec={"command": ["false", "x"]}))).success
    slow = msgspec.structs.replace(probe(exec={"command": ["hang"]}), timeout_seconds=0)
    assert await prober(execute).probe(slow) == Answer(False, "no answer within 0 s")


async def test_startup_comes_before_the_others_and_liveness_ends_the_container() -> None:
    answers = {"start": [1, 0], "ready": [0, 0, 0], "live": [0, 1]}
    received: list[Health | str] = []
    ended = asyncio.Event()

    async def execute(command: tuple[str, ...], _: float) -> int:
        left = answers[command[0]]
        return left.pop(0) if len(left) > 1 else left[0]

    async def kill(grace_seconds: int | None) -> None:
        received.append(f"killed within {grace_seconds}")
        ended.set()

    def tell(notice: PodEvent) -> None:
        received.append(notice.message)

    container = Container(
        name="c",
        startup_probe=probe(exec={"command": ["start"]}, failureThreshold=2),
        readiness_probe=probe(exec={"command": ["ready"]}),
        liveness_probe=msgspec.structs.replace(
            probe(exec={"command": ["live"]}, failureThreshold=1, terminationGracePeriodSeconds=7), period_seconds=0
        ),
    )
    assert initial_health(container) == Health(started=False, ready=False)
    watch = ContainerProbes(Prober(container, "", execute), Listeners(received.append, tell, kill))
    task = asyncio.ensure_future(watch.run())
    async with asyncio.timeout(60):
        await ended.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert received[:2] == [Health(started=False, ready=False), "Startup probe failed: command start ended with 1"]
    assert received[2] == Health(started=True, ready=False)
    assert Health(started=True, ready=True) in received
    assert received[-2:] == ["Container c failed liveness probe, will be restarted", "killed within 7"]
