"""postStart hooks: run once beside each start of a container, which is not running for others until its hook is done.

A hook that fails ends the container; its restart policy decides then. Source: k8s.io/kubernetes
`pkg/kubelet/kuberuntime/kuberuntime_container.go` startContainer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from podwire.kube.core import Container
from podwire.lab.kubelet import pod_plan
from podwire.lab.kubelet.lifecycle_hooks import run_hook
from podwire.lab.kubelet.pod_context import PodContext
from podwire.lab.kubelet.pod_events import PodEvent
from podwire.lab.shim.lifecycle import Record, Running, Waiting

log = logging.getLogger(__name__)

LONGEST_SECONDS = 24 * 3600.0
"""Upstream sets no limit to a hook; it ends with its container."""


class PostStartHooks:
    """The hooks of one pod. `kill` ends a container; `changed` is called when a hook is done."""

    def __init__(
        self, context: PodContext, kill: Callable[[str], Awaitable[None]], changed: Callable[[], None]
    ) -> None:
        self._context = context
        self._kill = kill
        self._changed = changed
        self._done: dict[str, int] = {}
        self._tasks: dict[str, tuple[int, asyncio.Task[None]]] = {}

    def resume(self) -> None:
        """Take hooks of containers that run already for done: an earlier kubelet ran them."""
        self._done = {name: record.starts for name, record in self._context.records.items() if self._context.runs(name)}

    def follow(self) -> None:
        """Run the hooks of containers that have started, and drop those of runs that ended."""
        for name, (run, task) in list(self._tasks.items()):
            if not self._context.runs(name) or self._context.records[name].starts != run:
                task.cancel()
                del self._tasks[name]
        for container in pod_plan.ordered(self._context.pod):
            if container.name not in self._tasks and self._pending(container):
                run = self._context.records[container.name].starts
                task = asyncio.get_running_loop().create_task(self._run(container, run))
                task.add_done_callback(_log_failure)
                self._tasks[container.name] = (run, task)

    def records(self) -> Mapping[str, Record]:
        """Return the records as others see them: a container waits until its hook is done."""
        pending = {entry.name for entry in pod_plan.ordered(self._context.pod) if self._pending(entry)}
        return {name: _waiting(record) if name in pending else record for name, record in self._context.records.items()}

    def stop(self) -> None:
        """Run no hooks any more."""
        for _, task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _pending(self, container: Container) -> bool:
        if container.lifecycle.post_start is None or not self._context.runs(container.name):
            return False
        return self._done.get(container.name) != self._context.records[container.name].starts

    async def _run(self, container: Container, run: int) -> None:
        prober = self._context.prober(container)
        trouble = await run_hook(prober, container.lifecycle.post_start, LONGEST_SECONDS)
        if trouble:
            log.info("pod %s: postStart hook of %s: %s", self._context.pod.key, container.name, trouble)
            self._context.emit(PodEvent("FailedPostStartHook", "PostStartHook failed", warning=True))
            self._context.emit(PodEvent("Killing", f"FailedPostStartHook: container {container.name} is stopped"))
            await self._kill(container.name)
            return
        self._done[container.name] = run
        self._changed()


def _waiting(record: Record) -> Record:
    assert isinstance(record.state, Running)
    return msgspec.structs.replace(record, state=Waiting(), starts=record.starts - 1)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a postStart hook failed", exc_info=task.exception())
