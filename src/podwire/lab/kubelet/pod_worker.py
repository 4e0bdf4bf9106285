"""One pod on its node, from the moment it is bound until nothing of it is left.

Everything is level-triggered: a turn compares what should be with what is, and may come at any time. What takes long
runs beside it: connecting the pod, following its shim, asking its probes, writing its status.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from podwire.kube.client import ApiError
from podwire.kube.core import Container, Pod
from podwire.kube.kinds import PODS
from podwire.lab.container.plan import PLAN_FILE, STATE_FILE, PodPlan, read_plan, write_plan
from podwire.lab.images.environment import ConfigurationError
from podwire.lab.images.resolution import Port
from podwire.lab.kubelet import pod_events, pod_plan, pod_status, pre_stop
from podwire.lab.kubelet.cni_client import CniError
from podwire.lab.kubelet.deadline import Deadline
from podwire.lab.kubelet.node_context import Node
from podwire.lab.kubelet.plan_builder import Composition, compose, provide_files
from podwire.lab.kubelet.pod_events import Notice
from podwire.lab.kubelet.pod_probes import PodHealth
from podwire.lab.kubelet.pod_status import Observation
from podwire.lab.kubelet.pod_tokens import PodTokens
from podwire.lab.kubelet.probe import Execute, Prober
from podwire.lab.kubelet.sandbox import Sandbox, SandboxRecord
from podwire.lab.kubelet.status_writer import Reporter
from podwire.lab.shim import messages
from podwire.lab.shim.client import ShimClient, ShimError
from podwire.lab.shim.container_run import folder_of
from podwire.lab.shim.lifecycle import Record, Running
from podwire.lab.standin.server import control_line

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 10.0
FORCED_GRACE_SECONDS = 1.0
LAST_REPORT_SECONDS = 2.0
DEFAULT_GRACE_SECONDS = 30


class PodWorker:
    """The whole life of one pod. `update` and `forget` tell it what the API says; `run` it until it returns."""

    def __init__(self, node: Node, pod: Pod) -> None:
        self.pod = pod
        self.records: dict[str, Record] = {}
        self.sandbox = _sandbox(node, pod)
        self.shim = ShimClient(self.sandbox.folder, node.spawner, str(node.network))
        self.woken = asyncio.Event()
        self._node = node
        self._gone = False
        self._state = messages.PodState()
        self._plan: PodPlan | None = None
        self._composition: Composition | None = None
        self._ports: dict[str, set[Port]] = {}
        self._told: set[Notice] = set()
        self._conditions = pod_status.own(pod.status.conditions)
        self._tasks: list[asyncio.Task[None]] = []
        self._tokens = PodTokens(node.client, self.poke)
        self._reporter = Reporter(node.client, pod.key, self._status)
        self._health = PodHealth(self._execute, self._kill, self._tell, self._health_changed)
        self._deadline = Deadline(self.sandbox.record.started, self.poke)
        self._deadline.set(pod.spec.active_deadline_seconds)

    # What the API says

    def update(self, pod: Pod) -> None:
        """The pod as the API has it now."""
        self.pod = pod
        self._deadline.set(pod.spec.active_deadline_seconds)
        self.poke()

    def forget(self) -> None:
        """The API does not have the pod any more."""
        self._gone = True
        self.poke()

    def poke(self) -> None:
        """Something that the pod depends on may have changed."""
        self.woken.set()

    @property
    def deleting(self) -> bool:
        """Whether the pod shall end."""
        return self._gone or self.pod.metadata.deletion_timestamp is not None

    # Life

    async def run(self) -> None:
        """Until the pod is deleted and nothing of it is left on this node."""
        reporting = asyncio.get_running_loop().create_task(self._reporter.run())
        try:
            self.sandbox.prepare()
            self._remember()
            if not self.sandbox.record.retired:
                self._beside(self.shim.follow(self._told_state))
                self._beside(self._connect())
            self.poke()
            while not self.deleting:
                await self._turn()
            await self._remove()
        finally:
            reporting.cancel()
            self._deadline.stop()
            self._health.stop()
            for task in self._tasks:
                task.cancel()

    async def _turn(self) -> None:
        await self.woken.wait()
        self.woken.clear()
        if self.deleting or self.sandbox.record.retired:
            self._reporter.touch()
            return
        if self.sandbox.ready:
            await self._configure()
            self._health.follow(self.pod, self.records, self.sandbox.record.addresses[0])
            await self._pass_started()
        if self._deadline.over and not self._state.finished:
            self._tell(Notice(pod_status.OVERDUE, pod_status.OVERDUE_MESSAGE))
            await self._stop()
        self._reporter.touch()
        if self._state.finished and pod_status.phase(self.pod, self._observation()) in {"Succeeded", "Failed"}:
            await self._retire()

    async def _retire(self) -> None:
        """Nothing runs and nothing will: give back the network, keep the logs."""
        await self._end_beside()
        await self.shim.quit()
        await self.sandbox.retire()

    async def _remove(self) -> None:
        """End everything and leave nothing."""
        if not self.sandbox.record.retired:
            await self._stop()
        await self._end_beside()
        self._reporter.touch()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self._gone else LAST_REPORT_SECONDS):
                await self._reporter.settle()
        await self.shim.quit()
        await self.sandbox.remove()
        await self._delete()

    async def _stop(self) -> None:
        """SIGTERM, the grace, SIGKILL; return when nothing runs. A shorter grace may come meanwhile."""
        for name, record in self.records.items():
            if isinstance(record.state, Running):
                self._tell(Notice("Killing", f"Stopping container {name}"))
        began = time.monotonic()
        if not self._state.stopping:
            await self._before_stop()
        spent = time.monotonic() - began
        while not self._stopped:
            grace = self._grace
            heard = await self._ask_to_stop(max(grace - spent, FORCED_GRACE_SECONDS))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace + 1 if heard else FIRST_RETRY_SECONDS):
                    while not self._stopped and self._grace == grace:
                        await self.woken.wait()
                        self.woken.clear()
                        self._reporter.touch()

    async def _ask_to_stop(self, grace_seconds: float) -> bool:
        """Whether the shim heard it: one that has just been started does not listen yet."""
        try:
            await self.shim.ask(messages.Stop(grace_seconds=grace_seconds))
        except (OSError, ShimError) as error:
            log.debug("stopping pod %s: %s", self.pod.key, error)
            return False
        return True

    async def _before_stop(self) -> None:
        """The preStop hooks of what runs, side by side, until the grace is over or nobody wants to wait for them."""
        running = [c for c in pod_plan.ordered(self.pod) if self._runs(c.name)]
        began = time.monotonic()
        done = asyncio.gather(*(self._pre_stop(container, self._grace) for container in running))
        while not done.done() and (left := began + self._grace - time.monotonic()) > 0:
            woken = asyncio.ensure_future(self.woken.wait())
            await asyncio.wait((done, woken), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
            self.woken.clear()
            self._reporter.touch()
        done.cancel()
        self.poke()

    async def _pre_stop(self, container: Container, grace: float) -> None:
        prober = Prober(container, self.sandbox.record.addresses[0], self._execute(container.name))
        if trouble := await pre_stop.pre_stop(prober, grace):
            self._tell(Notice("FailedPreStopHook", f"PreStopHook failed: {trouble}", warning=True))

    def _runs(self, name: str) -> bool:
        record = self.records.get(name)
        return record is not None and isinstance(record.state, Running)

    @property
    def _stopped(self) -> bool:
        return self._state.stopping and self._state.finished

    @property
    def _grace(self) -> float:
        if self._gone:
            return FORCED_GRACE_SECONDS
        asked = self.pod.metadata.deletion_grace_period_seconds
        if not self.deleting:
            asked = self.pod.spec.termination_grace_period_seconds
        return float(DEFAULT_GRACE_SECONDS if asked is None else asked)

    async def _delete(self) -> None:
        """Tell the API that nothing is left; not for a later pod of the same name."""
        delay = FIRST_RETRY_SECONDS
        while not self._gone:
            try:
                await self._node.client.delete(PODS, self.pod.key, uid=self.pod.metadata.uid, grace_seconds=0)
            except ApiError as error:
                if error.code in {404, 409}:
                    return
                log.warning("deleting pod %s: %s", self.pod.key, error)
            except (OSError, aiohttp.ClientError) as error:
                log.debug("deleting pod %s: %s", self.pod.key, error)
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY_SECONDS)

    def _health_changed(self) -> None:
        self._reporter.touch()
        if self._plan is not None and any(entry.gated for entry in self._plan.containers):
            self.poke()

    async def _pass_started(self) -> None:
        """Tell the shim of sidecars whose startup probe succeeded: what is behind them waits for that."""
        health = self._health.of(self.pod)
        for entry in self._plan.containers if self._plan is not None else ():
            record = self.records.get(entry.name)
            waits = entry.gated and record is not None and not record.passed and self._runs(entry.name)
            if waits and health[entry.name].started:
                with contextlib.suppress(OSError, ShimError):
                    await self.shim.ask(messages.Pass(container=entry.name))

    # Network and containers

    async def _connect(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while not self.sandbox.ready:
            try:
                await self.sandbox.connect(self._node.last_group, self._node.addresses)
            except (CniError, OSError) as error:
                message = f"Failed to create pod sandbox: {error}"
                self._tell(Notice("FailedCreatePodSandBox", message, warning=True))
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)
        self.poke()

    async def _configure(self) -> None:
        """Write what should run, and tell the shim where that changed."""
        folder, addresses = self.sandbox.folder, self.sandbox.record.addresses
        if trouble := await self._tokens.refresh(self.pod):
            self._tell_once(Notice("FailedMount", f"MountVolume.SetUp failed: {trouble}", warning=True))
        try:
            provide_files(self._node, self.pod, folder, addresses, self._tokens.texts)
        except ConfigurationError as error:
            self._tell_once(Notice("FailedMount", f"MountVolume.SetUp failed: {error}", warning=True))
            return
        self._composition = compose(self._node, self.pod, folder, addresses)
        self._more_ports(self._composition)
        plan = self._composition.plan
        if plan == self._plan:
            return
        running = {name: record.image_id for name, record in self.records.items() if self._runs(name)}
        for notice in self._composition.notices(self.pod, self._plan, running):
            self._tell_once(notice)
        write_plan(folder, plan)
        with contextlib.suppress(OSError, ShimError):  # a shim that is not there yet reads it when it starts
            await self.shim.ask(messages.Apply())
        self._plan = plan

    def _more_ports(self, composition: Composition) -> None:
        """Tell running stand-ins of the target ports of new Services."""
        for name, found in composition.found.items():
            record = self.records.get(name)
            if not found.stand_in or record is None or not isinstance(record.state, Running):
                continue
            if record.image_id != found.image_id:  # it runs from an image whose name is gone
                continue
            known = self._ports.setdefault(name, set())
            fresh = set(found.ports) - known
            if fresh and _write_control(self, name, fresh):
                known |= fresh

    # What the shim says

    def _told_state(self, state: messages.PodState) -> None:
        troubles = self._composition.troubles if self._composition is not None else {}
        for record in state.records:
            before = self.records.get(record.name)
            if before != record and record.name not in troubles:
                for notice in pod_events.between(before, record):
                    self._tell(notice)
            self.records[record.name] = record
        self._state = state
        self.poke()

    def _remember(self) -> None:
        """What an earlier runtime and the pod's shim wrote: nothing of it is told again."""
        folder = self.sandbox.folder
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            if (folder / PLAN_FILE).exists():
                self._plan = read_plan(folder)
            self._state = msgspec.json.decode((folder / STATE_FILE).read_bytes(), type=messages.PodState)
            self.records = {record.name: record for record in self._state.records}

    # Probes

    def _execute(self, name: str) -> Execute:
        async def execute(command: tuple[str, ...], timeout_seconds: float) -> int:
            try:
                return await self.shim.exit_code(name, command, timeout_seconds)
            except ShimError as error:
                raise OSError(str(error)) from None

        return execute

    async def _kill(self, name: str) -> None:
        grace = float(self.pod.spec.termination_grace_period_seconds)
        container = next(entry for entry in pod_plan.ordered(self.pod) if entry.name == name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._pre_stop(container, grace)
        with contextlib.suppress(OSError, ShimError):
            await self.shim.ask(messages.Kill(container=name, grace_seconds=grace))

    # What is told

    def _observation(self) -> Observation:
        composition = self._composition
        return Observation(
            records=self.records,
            health=self._health.of(self.pod),
            troubles=composition.troubles if composition is not None else {},
            image_ids={name: found.image_id for name, found in composition.found.items()} if composition else {},
            pod_addresses=self.sandbox.record.addresses,
            node_addresses=self._node.addresses,
            start_time=self.sandbox.record.started,
            stopping=self._state.stopping,
            overdue=self._deadline.over and self._state.stopping and not self.deleting,
        )

    def _status(self) -> tuple[Pod, pod_status.Status]:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        # The informer is behind our own writes: the times in them count.
        status = pod_status.status(self.pod, self._observation(), now, self._conditions)
        self._conditions = pod_status.own(status.conditions)
        return self.pod, status

    def _tell(self, notice: Notice) -> None:
        self._node.recorder.tell(PODS, self.pod, notice.reason, notice.message, warning=notice.warning)

    def _tell_once(self, notice: Notice) -> None:
        if notice not in self._told:
            self._told.add(notice)
            self._tell(notice)

    # Tasks

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        task.add_done_callback(_log_failure)

    async def _end_beside(self) -> None:
        self._health.stop()
        self._tokens.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


def _sandbox(node: Node, pod: Pod) -> Sandbox:
    uid = pod.metadata.uid
    record = SandboxRecord(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=uid,
        started=pod_status.rfc3339(time.time()),
        host_network=pod.spec.host_network,
    )
    return Sandbox(node.pod_folder(uid), node.pins / uid, record, node.cni)


def _write_control(worker: PodWorker, name: str, ports: set[Port]) -> bool:
    """Whether a stand-in could be told of these ports."""
    with contextlib.suppress(OSError):
        control = os.open(folder_of(worker.sandbox.folder, name) / "stdin", os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(control, b"".join(map(control_line, sorted(ports))))
        finally:
            os.close(control)
        return True
    return False


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a task failed", exc_info=task.exception())
