"""The shim: one small single-threaded process for each pod, which owns its containers.

It starts, restarts and stops them, keeps their output and exit status, and runs commands in them. The node's runtime
may come and go. What it knows is written to the pod's folder before anything relies on it, so that a later shim adopts
what runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from podwire.kernel import namespaces
from podwire.lab.base import paths, pidfd, seqpacket
from podwire.lab.base.exit_ring import exit_status
from podwire.lab.base.seqpacket import Packets
from podwire.lab.container import process
from podwire.lab.container.plan import (
    PLAN_FILE,
    SHIM_SOCKET,
    STATE_FILE,
    ContainerPlan,
    PodPlan,
    Refuse,
    read_plan,
    replace_file,
)
from podwire.lab.shim import container_run, lifecycle, messages
from podwire.lab.shim.lifecycle import Record, Running, Terminated, Waiting
from podwire.lab.shim.log_file import remove_runs

log = logging.getLogger(__name__)

LAST_SIDECAR_SECONDS = 1.0


def main(arguments: Mapping[str, str], descriptors: Mapping[str, int]) -> None:
    """The shim's process. `folder` in the arguments is the pod's folder; it must exist."""
    del descriptors
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(Shim(Path(arguments["folder"])).serve())


class Shim:
    """All containers of one pod, and the conversations about them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plan: PodPlan | None = None
        self._records: dict[str, Record] = {}
        self._runs: dict[str, container_run.Run] = {}
        self._beginning: set[str] = set()
        self._stopping = False
        self._deadline = math.inf
        self._told_to_stop: set[str] = set()
        self._changed = asyncio.Event()
        self._quit = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Serve until a client sends Quit."""
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        # What crun makes for us is the child of a child that ends: it shall be ours.
        namespaces.prctl(namespaces.PR_SET_CHILD_SUBREAPER, 1)
        # Listen before reading the plan: a kubelet that wrote it and found no listener sends Apply once only.
        listener = seqpacket.listen(self._folder / SHIM_SOCKET)
        self._resume()
        loop = asyncio.get_running_loop()
        loop.add_reader(listener, self._accept, listener)
        try:
            await self._quit.wait()
        finally:
            loop.remove_reader(listener)
            listener.close()
            (self._folder / SHIM_SOCKET).unlink(missing_ok=True)

    # What runs

    def _resume(self) -> None:
        """Read what a shim before this one wrote, and adopt what it left running before anything new is started."""
        if (self._folder / STATE_FILE).exists():
            state = msgspec.json.decode((self._folder / STATE_FILE).read_bytes(), type=messages.PodState)
            self._records = {record.name: record for record in state.records}
            self._stopping = state.stopping
        if (self._folder / PLAN_FILE).exists():
            self._take_plan()
        for record in list(self._records.values()):
            if isinstance(record.state, Running):
                self._adopt(record, record.state)
        self._turn()

    def _adopt(self, record: Record, state: Running) -> None:
        assert self._plan is not None
        requested = next(entry for entry in self._plan.containers if entry.name == record.name)
        run = container_run.adopt(self._folder, requested, record, state)
        if run is not None:
            self._runs[record.name] = run
            self._spawn(self._follow(run))
            return
        status = exit_status(paths.EXITS, state.pid, state.started)
        self._ended(requested.name, container_run.terminated(status, state.started, time.time()))

    def _apply(self) -> None:
        self._take_plan()
        self._turn()

    def _take_plan(self) -> None:
        before, self._plan = self._plan, read_plan(self._folder)
        if before is not None:
            self._records.update(lifecycle.reprieved(before, self._plan, self._records))
        for name, record in lifecycle.initial(self._plan).items():
            self._records.setdefault(name, record)

    def _turn(self) -> None:
        """Start what is due, and come back when the next is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._plan is None or self._stopping:
            return
        for requested in lifecycle.due(self._plan, self._records, time.monotonic()):
            if requested.name not in self._beginning:
                self._start(self._plan, requested.name)
        if self._beginning:
            return  # each comes back here when it has begun
        pause = lifecycle.next_due(self._plan, self._records, time.monotonic())
        if pause is not None:
            self._timer = asyncio.get_running_loop().call_later(pause, self._turn)

    def _start(self, plan: PodPlan, name: str) -> None:
        requested = next(entry for entry in plan.containers if entry.name == name)
        record = self._records[name]
        if isinstance(requested.program, Refuse):
            self._refuse(record, requested.program)
            return
        remove_runs(self._folder, name, record.starts - 1)
        self._beginning.add(name)
        self._spawn(self._begin(plan, requested))

    def _refuse(self, record: Record, program: Refuse) -> None:
        if program.at_start:
            self._records[record.name] = msgspec.structs.replace(record, starts=record.starts + 1)
            self._ended(record.name, lifecycle.start_error(program.message, time.time()))
        else:
            self._set(lifecycle.refused(record, program.message, time.monotonic()))

    async def _begin(self, plan: PodPlan, requested: ContainerPlan) -> None:
        """Make a container, write it down, let it run, and follow it to its end."""
        name = requested.name
        try:
            beside = self._running(requested.target).pid if requested.target else 0
            run, started = await container_run.start(self._folder, plan, requested, self._records[name].starts, beside)
        except (LookupError, OSError) as error:
            log.warning("container %s: %s", name, error)
            self._beginning.discard(name)
            self._refuse(self._records[name], Refuse(message=str(error), at_start=isinstance(error, OSError)))
            self._turn()
            return
        if self._stopping:  # meanwhile; no watcher has seen it
            os.close(started.go)
            await run.ended()
            self._beginning.discard(name)
            self._publish()
            return
        self._beginning.discard(name)
        self._runs[name] = run
        self._set(lifecycle.started(self._records[name], run.running, requested.image_id))
        started.release()
        await self._follow(run)

    async def _follow(self, run: container_run.Run) -> None:
        """From the fork of a container to its end."""
        name = run.plan.name
        refusal = await run.program_runs()
        if not refusal:
            self._publish()
            if self._plan is not None:
                self._turn()
        how = await run.ended()
        del self._runs[name]
        self._ended(name, lifecycle.start_error(refusal, how.finished) if refusal else how)
        self._turn()

    def _ended(self, name: str, how: Terminated) -> None:
        assert self._plan is not None
        requested = next(entry for entry in self._plan.containers if entry.name == name)
        record = self._records[name]
        stopping = self._stopping or requested in lifecycle.leftovers(self._plan, self._records)
        self._set(lifecycle.ended(record, requested, how, time.monotonic(), stopping=stopping))
        if self._stopping:
            self._stop_next()
        elif lifecycle.leftovers(self._plan, self._records):
            for sidecar in lifecycle.next_to_stop(self._plan, self._runs):
                self._runs[sidecar.name].stop(sidecar.grace_seconds)

    def _stop(self, grace_seconds: float) -> None:
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
        self._deadline = min(self._deadline, time.monotonic() + grace_seconds)
        self._told_to_stop.clear()
        self._stop_next()
        self._save()
        self._publish()

    def _stop_next(self) -> None:
        """SIGTERM to those whose turn it is. A sidecar whose turn comes late still has a moment."""
        left = max(0.0, self._deadline - time.monotonic())
        for entry in lifecycle.next_to_stop(self._plan, self._runs) if self._plan is not None else ():
            if entry.name not in self._told_to_stop:
                self._told_to_stop.add(entry.name)
                self._runs[entry.name].stop(max(left, LAST_SIDECAR_SECONDS) if entry.sidecar else left)

    def _pass(self, name: str) -> None:
        self._set(msgspec.structs.replace(self._records[name], passed=True))
        self._turn()

    # What is known

    def _set(self, record: Record) -> None:
        self._records[record.name] = record
        self._save()
        self._publish()

    def _save(self) -> None:
        replace_file(self._folder / STATE_FILE, messages.encode(self._state(whole=True)))

    def _publish(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _state(self, *, whole: bool = False) -> messages.PodState:
        """Return the state for watchers; a container whose program does not run yet is still waiting."""
        records = tuple(
            record if whole or not self._starting(record) else _not_yet(record) for record in self._records.values()
        )
        done = self._plan is not None and lifecycle.finished(self._plan, self._records)
        ended = self._stopping and not self._runs and not self._beginning
        return messages.PodState(records=records, stopping=self._stopping, finished=done or ended)

    def _starting(self, record: Record) -> bool:
        run = self._runs.get(record.name)
        return run is not None and run.report >= 0

    # Conversations

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = listener.accept()
            self._spawn(self._converse(Packets(connection)))

    async def _converse(self, peer: Packets) -> None:
        packet, descriptors = await peer.receive()
        try:
            if packet:
                await self._answer(peer, messages.decode(packet), descriptors)
        except (OSError, msgspec.MsgspecError, LookupError, ValueError) as error:
            with contextlib.suppress(OSError):
                await peer.send(messages.encode(messages.Failed(message=str(error))))
        finally:
            for number in descriptors:
                with contextlib.suppress(OSError):
                    os.close(number)
            peer.close()

    async def _answer(self, peer: Packets, request: messages.Message, descriptors: list[int]) -> None:
        match request:
            case messages.Watch():
                await self._send_states(peer)
                return
            case messages.Pass():
                self._pass(request.container)
            case messages.Execute():
                await self._execute(peer, request, descriptors)
                return
            case messages.Apply():
                self._apply()
            case messages.Stop():
                self._stop(request.grace_seconds)
            case messages.Kill():
                self._running(request.container).stop(request.grace_seconds)
            case messages.CloseInput():
                self._running(request.container).close_input()
            case messages.Quit():
                self._quit.set()
                return
            case _:
                raise ValueError(f"{type(request).__name__} is no request")
        await peer.send(messages.encode(messages.Done()))

    def _running(self, name: str) -> container_run.Run:
        run = self._runs.get(name)
        if run is None or run.report >= 0:
            raise LookupError(f"container {name} is not running")
        return run

    async def _send_states(self, peer: Packets) -> None:
        hung_up = asyncio.ensure_future(peer.receive())
        try:
            while not hung_up.done():
                changed = asyncio.ensure_future(self._changed.wait())
                await peer.send(messages.encode(self._state()))
                await asyncio.wait((changed, hung_up), return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
        finally:
            hung_up.cancel()

    async def _execute(self, peer: Packets, request: messages.Execute, descriptors: list[int]) -> None:
        run = self._running(request.container)
        started = await self._join(peer, run, request, descriptors)
        started.release()
        hung_up = asyncio.ensure_future(peer.receive())
        ended = asyncio.ensure_future(pidfd.wait_child(started.pid))
        await asyncio.wait((ended, hung_up), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            # The client is gone: the command ends as it does when a terminal is closed.
            os.kill(started.pid, signal.SIGKILL)
        how = container_run.terminated(await ended, 0, 0)
        hung_up.cancel()
        refusal = process.read_report(started.report)
        answer = messages.Failed(message=refusal) if refusal else messages.Exited(code=how.exit_code)
        await peer.send(messages.encode(answer))

    async def _join(
        self, peer: Packets, run: container_run.Run, request: messages.Execute, descriptors: list[int]
    ) -> process.Started:
        """Fork the command. Our copies of its streams are closed at once, so that they end with it."""
        if request.terminal:
            ours, theirs = process.open_terminal(run.pid)
            await peer.send(messages.encode(messages.Terminal()), [ours])
            os.close(ours)
            descriptors.append(theirs)
            streams = process.Streams(theirs, theirs, theirs, terminal=True)
        elif len(descriptors) == 3:
            stdin, stdout, stderr = descriptors
            streams = process.Streams(stdin, stdout, stderr)
        else:
            raise ValueError("a command without a terminal needs three descriptors")
        started = process.join(run.pid, run.plan, request.command, streams)
        for number in descriptors:
            os.close(number)
        descriptors.clear()
        return started

    def _spawn(self, coroutine: asyncio._CoroutineLike[None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task failed", exc_info=task.exception())


def _not_yet(record: Record) -> Record:
    return msgspec.structs.replace(record, state=Waiting(), starts=record.starts - 1)
