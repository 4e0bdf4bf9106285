"""One pod on its node, from the moment it is bound until nothing of it is left.

Everything is level-triggered: a turn compares what should be with what is, and may come at any time. What takes long
runs beside it: connecting the pod, following its shim, its probes, writing its status.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from podwire.kube.core import Pod
from podwire.lab.container.plan import STATE_FILE
from podwire.lab.kubelet import pod_events, pod_status
from podwire.lab.kubelet.admission import rejection
from podwire.lab.kubelet.deadline import Deadline
from podwire.lab.kubelet.node_context import Node
from podwire.lab.kubelet.pod_context import PodContext
from podwire.lab.kubelet.pod_events import PodEvent
from podwire.lab.kubelet.pod_probes import PodProbes
from podwire.lab.kubelet.pod_setup import PodSetup
from podwire.lab.kubelet.pod_status import Observation
from podwire.lab.kubelet.pod_termination import PodTermination
from podwire.lab.kubelet.post_start import PostStartHooks
from podwire.lab.kubelet.sandbox import Failure, Sandbox
from podwire.lab.kubelet.status_writer import StatusWriter
from podwire.lab.shim import messages
from podwire.lab.shim.client import ShimClient, ShimError
from podwire.lab.shim.lifecycle import Record

LAST_REPORT_SECONDS = 2.0


class PodWorker:
    """The whole life of one pod. `update` and `deleted` follow the API; `run` it until it returns.

    `admitted` returns the pods that the node has admitted: what they occupy is not free for this one.
    """

    def __init__(self, node: Node, pod: Pod, admitted: Callable[[], Iterable[Pod]]) -> None:
        self._context = PodContext(node, pod)
        self._others = admitted
        self._admitted = bool(self.sandbox.record.addresses)
        self._setup = PodSetup(self._context)
        self._conditions = pod_status.own(pod.status.conditions)
        self._tasks: list[asyncio.Task[None]] = []
        self._status_writer = StatusWriter(node.client, pod.key, self._status)
        self._termination = PodTermination(self._context, self._status_writer.touch)
        self._probes = PodProbes(
            self._context.execute, self._termination.kill, self._context.emit, self._probes_changed
        )
        self._post_start = PostStartHooks(self._context, self._termination.kill, self.poke)
        self._deadline = Deadline(self.sandbox.record.started, self.poke)
        self._failure: BaseException | None = None

    @property
    def pod(self) -> Pod:
        """The pod as the API has it."""
        return self._context.pod

    @property
    def records(self) -> dict[str, Record]:
        """The shim's records of the containers, by name."""
        return self._context.records

    @property
    def sandbox(self) -> Sandbox:
        """The pod's folder and network."""
        return self._context.sandbox

    @property
    def shim(self) -> ShimClient:
        """The client of the pod's shim."""
        return self._context.shim

    # The API's side

    def update(self, pod: Pod) -> None:
        """Take the pod as the API has it now."""
        self._context.pod = pod
        self.poke()

    def deleted(self) -> None:
        """The API does not have the pod any more."""
        self._context.gone = True
        self.poke()

    @property
    def active(self) -> bool:
        """Whether the pod runs, and neither its owner nor the node ends it."""
        record = self.sandbox.record
        return not (self._context.deleting or record.retired or record.failure) and self.sandbox.ready

    @property
    def admitted(self) -> bool:
        """Whether the node has admitted the pod, also before a restart, and it still occupies what it requires."""
        ended = self._context.gone or self._context.state.finished or self.sandbox.record.retired
        return self._admitted and not ended

    def fail(self, failure: Failure) -> None:
        """End the pod at once, as failed: the node cannot keep it."""
        self._fail(failure, warning=True)

    def _fail(self, failure: Failure, *, warning: bool) -> None:
        if self.sandbox.record.failure is None:
            self._context.emit(PodEvent(failure.reason, failure.message, warning=warning))
            self.sandbox.fail(failure)
            self.poke()

    def poke(self) -> None:
        """Something that the pod depends on may have changed."""
        self._context.poke()

    # Life

    async def run(self) -> None:
        """Return when the pod is deleted and nothing of it is left on this node. Raises what its parts raise."""
        reporting = asyncio.get_running_loop().create_task(self._status_writer.run())
        try:
            self.sandbox.prepare()
            self._resume()
            self._admit()
            if not self.sandbox.record.retired:
                self._beside(self.shim.follow(self._shim_changed))
                self._beside(self._setup.connect())
            self.poke()
            while not self._context.deleting:
                await self._turn()
            await self._remove()
        finally:
            reporting.cancel()
            self._deadline.stop()
            self._probes.stop()
            self._post_start.stop()
            for task in self._tasks:
                task.cancel()

    def _admit(self) -> None:
        if self._admitted or self.sandbox.record.failure is not None:
            return
        if failure := rejection(self.pod, self._others()):
            self._context.emit(PodEvent(failure.reason, failure.message, warning=True))
            self.sandbox.fail(Failure(reason=failure.reason, message=f"Pod was rejected: {failure.message}"))
            return
        self._admitted = True

    async def _turn(self) -> None:
        context = self._context
        await context.woken.wait()
        context.woken.clear()
        if context.deleting or self.sandbox.record.retired:
            self._status_writer.touch()
            return
        if self._failure is not None:
            raise self._failure
        self._deadline.set(context.pod.spec.active_deadline_seconds)
        if self.sandbox.ready:
            await self._setup.configure()
            self._post_start.follow()
            self._probes.follow(context.pod, self._post_start.records(), self.sandbox.record.addresses[0])
            await self._pass_started()
        if self._deadline.over and not context.state.finished:
            self._fail(pod_status.OVERDUE, warning=False)
        if self.sandbox.record.failure is not None and not context.state.finished:
            overdue = self.sandbox.record.failure == pod_status.OVERDUE
            await self._termination.stop(None if overdue else 0)
        self._status_writer.touch()
        if context.state.finished and pod_status.phase(context.pod, self._observation()) in {"Succeeded", "Failed"}:
            await self._retire()

    async def _retire(self) -> None:
        """Release the network of a pod that has ended for good; keep its logs."""
        await self._end_beside()
        await self.shim.quit()
        await self.sandbox.retire()

    async def _remove(self) -> None:
        """Stop the pod and remove everything of it."""
        if not self.sandbox.record.retired:
            await self._termination.stop()
        await self._end_beside()
        self._status_writer.touch()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self._context.gone else LAST_REPORT_SECONDS):
                await self._status_writer.settle()
        await self.shim.quit()
        await self.sandbox.remove()
        await self._termination.delete()

    # The shim's and the probes' side

    def _shim_changed(self, state: messages.PodState) -> None:
        built = self._setup.built
        troubles = built.troubles if built is not None else {}
        for record in state.records:
            before = self.records.get(record.name)
            if record.starts and (before is None or before.starts != record.starts):
                self.sandbox.logs.link(record.name, record.starts - 1)
            if before != record and record.name not in troubles:
                for event in pod_events.between(before, record):
                    self._context.emit(event)
            self.records[record.name] = record
        self._context.state = state
        self.poke()

    def _resume(self) -> None:
        """Take what an earlier kubelet and the pod's shim wrote: no event of it is written again."""
        self._setup.resume()
        context = self._context
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            content = (self.sandbox.folder / STATE_FILE).read_bytes()
            context.state = msgspec.json.decode(content, type=messages.PodState)
            context.records = {record.name: record for record in context.state.records}
        self._post_start.resume()

    def _probes_changed(self) -> None:
        self._status_writer.touch()
        plan = self._setup.plan
        if plan is not None and any(entry.gated for entry in plan.containers):
            self.poke()

    async def _pass_started(self) -> None:
        """Report to the shim the sidecars whose startup probe succeeded: the containers behind them wait for that."""
        health = self._probes.of(self.pod)
        for entry in self._setup.plan.containers if self._setup.plan is not None else ():
            record = self.records.get(entry.name)
            waits = entry.gated and record is not None and not record.passed and self._context.runs(entry.name)
            if waits and health[entry.name].started:
                with contextlib.suppress(OSError, ShimError):
                    await self.shim.request(messages.Pass(container=entry.name))

    # The status

    def _observation(self) -> Observation:
        built, context = self._setup.built, self._context
        return Observation(
            records=self._post_start.records(),
            health=self._probes.of(self.pod),
            troubles=built.troubles if built is not None else {},
            image_ids={name: found.image_id for name, found in built.found.items()} if built else {},
            pod_addresses=self.sandbox.record.addresses,
            node_addresses=context.node.addresses,
            start_time=self.sandbox.record.started,
            stopping=context.state.stopping,
            failure=self.sandbox.record.failure,
        )

    def _status(self) -> tuple[Pod, pod_status.Status]:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        # The informer is behind our own writes: the times in them count.
        status = pod_status.status(self.pod, self._observation(), now, self._conditions)
        self._conditions = pod_status.own(status.conditions)
        return self.pod, status

    # Tasks

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._ended_beside)

    def _ended_beside(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self.poke()

    async def _end_beside(self) -> None:
        self._probes.stop()
        self._post_start.stop()
        self._setup.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
