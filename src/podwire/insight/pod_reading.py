"""A pod as far as it explains why it is not ready."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.kube.core import FINISHED, PodIP, PodSpec
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, Object, Struct


class WaitingState(Struct, frozen=True):
    """Why a container does not run yet."""

    reason: str = ""
    message: str = ""


class TerminatedState(Struct, frozen=True):
    """How a container ended."""

    reason: str = ""
    exit_code: int = 0


class StateReading(Struct, frozen=True):
    """The state of a container; a running one has neither field."""

    waiting: WaitingState | None = None
    terminated: TerminatedState | None = None


class ContainerReading(Struct, frozen=True):
    """What a pod's status reports of a container."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: StateReading = StateReading()


class PodReadingStatus(Struct, frozen=True):
    """What a pod's status reports about readiness."""

    phase: str = "Pending"
    conditions: tuple[Condition, ...] = ()
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    init_container_statuses: tuple[ContainerReading, ...] = ()
    container_statuses: tuple[ContainerReading, ...] = ()


class PodReading(Object, frozen=True):
    """A pod, as far as it explains why an endpoint is not ready."""

    spec: PodSpec = PodSpec()
    status: PodReadingStatus = PodReadingStatus()

    @property
    def ready(self) -> bool:
        """The Ready condition."""
        return any(one.type == "Ready" and one.status == "True" for one in self.status.conditions)

    @property
    def finished(self) -> bool:
        """True when all containers have ended and none starts again."""
        return self.status.phase in FINISHED


PODS = Kind("v1", "Pod", "pods", PodReading)


def cause(pod: PodReading) -> str:
    """Return why a pod is not ready: what its containers wait for, else the message of its conditions."""
    for container in _not_started(pod.status):
        waiting, ended = container.state.waiting, container.state.terminated
        if waiting is not None and waiting.reason:
            message = f" ({waiting.message.rstrip('.')})" if waiting.message else ""
            return f"container {container.name} waits: {waiting.reason}{message}"
        if ended is not None:
            return f"container {container.name} ended with status {ended.exit_code}"
    for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
        for condition in pod.status.conditions:
            if condition.type == kind and condition.status != "True":
                detail = ": ".join(filter(None, (condition.reason, condition.message))) or "no reason is given"
                return f"condition {kind} is {condition.status} ({detail.rstrip('.')})"
    return f"its phase is {pod.status.phase}"


def _not_started(status: PodReadingStatus) -> Iterator[ContainerReading]:
    """The init containers that have not succeeded, then the others: these wait for those."""
    for container in status.init_container_statuses:
        ended = container.state.terminated
        if ended is None or ended.exit_code:
            yield container
    yield from status.container_statuses
