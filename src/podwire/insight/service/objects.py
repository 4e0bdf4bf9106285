"""The objects that an explanation of a Service is made from, as the API server returns them."""

from __future__ import annotations

import msgspec

from podwire.insight.pod_reading import PodReading
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object
from podwire.kube.networking import NetworkPolicy
from podwire.kube.services import Service


class EventReading(Object, frozen=True):
    """An Event about the Service."""

    type: str = ""
    reason: str = ""
    message: str = ""
    last_timestamp: str | None = None


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
