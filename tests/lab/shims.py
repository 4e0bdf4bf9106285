"""Shims for tests: forked as the zygote forks them, spoken to as a runtime does."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from podwire.kernel import namespaces
from podwire.lab.base.seqpacket import Packets
from podwire.lab.base.spawn import SpawnRequest
from podwire.lab.container import capabilities, process
from podwire.lab.container.plan import SHIM_SOCKET, ContainerPlan, Execute, Identity, PodPlan, write_plan
from podwire.lab.shim import messages
from podwire.lab.shim.lifecycle import Record, Terminated

DEADLINE = 30.0


class ForkSpawner:
    """Forks roles twice, so that they belong to pid 1, as the zygote does."""

    async def spawn(self, request: SpawnRequest) -> int:
        reader, writer = os.pipe()
        middle = os.fork()
        if middle == 0:
            child = os.fork()
            if child == 0:
                _become(request)
            os.write(writer, str(child).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            pid = int(pipe.read())
        os.waitpid(middle, 0)  # noqa: ASYNC222 - it ends at once
        return pid


def _become(request: SpawnRequest) -> None:
    try:
        process.close_from(3)
        namespaces.set_process_name(f"pw-{request.name}")
        if request.network:
            namespaces.enter_network(request.network)
        module, _, name = request.function.partition(":")
        getattr(importlib.import_module(module), name)(request.arguments, {})
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(0)


class ShimOfTest:
    """A pod's folder, its shim, and short words for what a kubelet requests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pid = 0
        folder.mkdir(parents=True, exist_ok=True)

    async def start(self) -> None:
        request = SpawnRequest("shim", "podwire.lab.shim.server:main", "", {"folder": str(self.folder)})
        self.pid = await ForkSpawner().spawn(request)
        await until((self.folder / SHIM_SOCKET).exists)

    async def kill(self) -> None:
        """As kill -9 does; the socket stays behind."""
        descriptor = os.pidfd_open(self.pid)
        os.kill(self.pid, 9)
        from podwire.lab.base.pidfd import gone

        await gone(descriptor)
        os.close(descriptor)
        (self.folder / SHIM_SOCKET).unlink()

    async def apply(self, *containers: ContainerPlan) -> None:
        self.write(*containers)
        assert await self.ask(messages.Apply()) == messages.Done()

    def write(self, *containers: ContainerPlan) -> None:
        """The plan alone, without a word to the shim."""
        plan = PodPlan(
            uid="1", namespace="default", name="web", hostname="web", network="/proc/self/ns/net", containers=containers
        )
        write_plan(self.folder, plan)

    async def ask(self, request: messages.Request, descriptors: tuple[int, ...] = ()) -> messages.Message:
        async with self.conversation() as peer:
            await peer.send(messages.encode(request), descriptors)
            return messages.decode((await peer.receive())[0])

    @contextlib.asynccontextmanager
    async def conversation(self) -> AsyncIterator[Packets]:
        peer = await Packets.connect(self.folder / SHIM_SOCKET)
        try:
            yield peer
        finally:
            peer.close()

    async def state(self, condition: Callable[[dict[str, Record]], bool]) -> dict[str, Record]:
        """The records as soon as they fulfil the condition."""
        async with asyncio.timeout(DEADLINE), self.conversation() as peer:
            await peer.send(messages.encode(messages.Watch()))
            while True:
                state = messages.decode((await peer.receive())[0])
                assert isinstance(state, messages.PodState)
                records = {record.name: record for record in state.records}
                if condition(records):
                    return records

    def log(self, name: str = "main", run: int = 0) -> str:
        path = self.folder / "logs" / name / f"{run}.log"
        return path.read_text() if path.exists() else ""

    async def run(self, *command: str, name: str = "main") -> tuple[messages.Message, str]:
        """Run a command in a container; the answer and its output."""
        null = os.open("/dev/null", os.O_RDONLY)
        reader, writer = os.pipe()
        async with self.conversation() as peer:
            request = messages.Execute(container=name, command=command)
            await peer.send(messages.encode(request), [null, writer, writer])
            os.close(writer)
            os.close(null)
            answer = messages.decode((await peer.receive())[0])
        with os.fdopen(reader) as pipe:
            return answer, pipe.read()


def plan(*command: str, **changes: object) -> ContainerPlan:
    settings: dict[str, object] = {
        "name": "main",
        "program": Execute(arguments=command),
        "environment": {"PATH": process.DEFAULT_PATH},
        "identity": Identity(capabilities=tuple(sorted(capabilities.DEFAULT))),
    }
    return ContainerPlan(**{**settings, **changes})  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - files and processes outside of this loop set no events
            await asyncio.sleep(0.005)


def ended(record: Record) -> Terminated:
    """How the container ended."""
    assert isinstance(record.state, Terminated), record
    return record.state
