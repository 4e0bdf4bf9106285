"""The probes of all containers of a pod: one task for each run of a container."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from podwire.kube.core import Container, Pod
from podwire.lab.kubelet import pod_plan
from podwire.lab.kubelet.container_probes import ContainerProbes, Listeners, initial_health
from podwire.lab.kubelet.pod_events import PodEvent
from podwire.lab.kubelet.pod_status import Health
from podwire.lab.kubelet.probe import Execute, Prober
from podwire.lab.shim.lifecycle import Record, Running

log = logging.getLogger(__name__)


class PodProbes:
    """Call `follow` with the records after each change; `of` returns the current health."""

    def __init__(
        self,
        execute: Callable[[str], Execute],
        kill: Callable[[str, int | None], Awaitable[None]],
        emit: Callable[[PodEvent], None],
        changed: Callable[[], None],
    ) -> None:
        self._execute = execute
        self._kill = kill
        self._emit = emit
        self._changed = changed
        self._health: dict[str, Health] = {}
        self._watches: dict[str, tuple[int, asyncio.Task[None]]] = {}

    def of(self, pod: Pod) -> dict[str, Health]:
        """Return the health of every container by name; one without an answer yet has its initial health."""
        return {
            container.name: self._health.get(container.name, initial_health(container))
            for container in pod_plan.ordered(pod)
        }

    def follow(self, pod: Pod, records: Mapping[str, Record], address: str) -> None:
        """Run the probes of what runs now, and no others."""
        for container in pod_plan.ordered(pod):
            record = records.get(container.name)
            alive = record is not None and isinstance(record.state, Running)
            run = record.starts if record is not None and alive else 0
            current = self._watches.get(container.name)
            if current is not None and current[0] != run:
                self._end(container.name)
            if run and container.name not in self._watches and _has_probes(container):
                self._watches[container.name] = (run, self._begin(container, address))

    def stop(self) -> None:
        """Stop all probes."""
        for name in list(self._watches):
            self._end(name)

    def _begin(self, container: Container, address: str) -> asyncio.Task[None]:
        name = container.name

        def changed(health: Health) -> None:
            self._health[name] = health
            self._changed()

        prober = Prober(container, address, self._execute(name))
        watch = ContainerProbes(prober, Listeners(changed, self._emit, lambda grace: self._kill(name, grace)))
        task = asyncio.get_running_loop().create_task(watch.run())
        task.add_done_callback(_log_failure)
        return task

    def _end(self, name: str) -> None:
        _, task = self._watches.pop(name)
        task.cancel()
        self._health.pop(name, None)


def _has_probes(container: Container) -> bool:
    return any(
        probe is not None for probe in (container.startup_probe, container.readiness_probe, container.liveness_probe)
    )


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("probes failed", exc_info=task.exception())
