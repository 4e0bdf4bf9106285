"""The objects that an explanation of a Service is made from, as the API server returns them."""

from __future__ import annotations

import msgspec

from podwire.kube.core import Node, PodSpec
from podwire.kube.discovery import EndpointSlice
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, Object, Struct
from podwire.kube.networking import NetworkPolicy
from podwire.kube.services import Service


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
    state: StateReading = StateReading()


class PodReadingStatus(Struct, frozen=True):
    """What a pod's status reports about readiness."""

    phase: str = "Pending"
    conditions: tuple[Condition, ...] = ()
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
        return self.status.phase in {"Succeeded", "Failed"}


class EventReading(Object, frozen=True):
    """An Event about the Service."""

    type: str = ""
    reason: str = ""
    message: str = ""
    last_timestamp: str | None = None


PODS = Kind("v1", "Pod", "pods", PodReading)
EVENTS = Kind("v1", "Event", "events", EventReading)


class ServiceObjects(msgspec.Struct, frozen=True):
    """A Service and all that it depends on.

    `pods`, `policies` and `events` are those of its namespace, `services` and `nodes` all. `unreadable` names the
    resources that this account may not list.
    """

    service: Service
    slices: tuple[EndpointSlice, ...] = ()
    pods: tuple[PodReading, ...] = ()
    nodes: tuple[Node, ...] = ()
    services: tuple[Service, ...] = ()
    policies: tuple[NetworkPolicy, ...] = ()
    events: tuple[EventReading, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def selected(self) -> tuple[PodReading, ...]:
        """The pods that the Service's selector selects; none without a selector."""
        selector = self.service.spec.selector
        if not selector:
            return ()
        return tuple(pod for pod in self.pods if selector.items() <= pod.metadata.labels.items())
