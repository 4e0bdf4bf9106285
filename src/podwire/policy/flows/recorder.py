"""What becomes of each logged packet: a line of the journal, a count, and now and then an event on the pod."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from podwire.policy.flows import record
from podwire.policy.flows.attempts import Attempts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwire.kernel.packet_log import LoggedPacket
    from podwire.kube.core import Pod
    from podwire.policy.flows.describing import Scene
    from podwire.policy.flows.record import Flow

log = logging.getLogger(__name__)

EVENT_SECONDS = 30.0
"""At most one event a pod and direction in this time."""
EVENT_PODS = 1024
"""Pods whose last event is remembered."""


class Lines(Protocol):
    """Where records are kept (podwire.policy.flows.journal.Journal)."""

    def append(self, line: bytes) -> None:
        """Keep a line. Raises OSError."""
        ...


class Events(Protocol):
    """Writes an event about a pod."""

    def __call__(self, pod: Pod, message: str) -> None:
        """Record it, without blocking."""
        ...


class FlowRecorder:
    """Records of one node."""

    def __init__(self, scene: Scene, lines: Lines, events: Events) -> None:
        self._scene = scene
        self._lines = lines
        self._events = events
        self._attempts = Attempts()
        self._last_event: dict[tuple[str, str, str], float] = {}
        self._counts: Counter[tuple[str, str, str, str]] = Counter()
        self.lost = 0
        """Times that the kernel could not hand packets over, as none were read."""
        self.unwritten = 0
        """Packets without a record in the journal: the disk did not take it, or it could not be made."""

    @property
    def counts(self) -> Mapping[tuple[str, str, str, str], int]:
        """Records by verdict, direction, reason and protocol."""
        return self._counts

    def packet(self, packet: LoggedPacket | None, now: float) -> Flow | None:
        """Record a packet, where it is the first of an attempt; None: packets were lost.

        `now` is in seconds since 1970.
        """
        if packet is None:
            self.lost += 1
            return None
        if not self._attempts.is_new(packet, now):
            return None
        flow = self._described(packet, now)
        if flow is None:
            return None
        key = (flow.verdict, flow.traffic_direction, flow.drop_reason_desc, flow.l4.protocol or "other")
        self._counts[key] += 1
        self._keep(flow)
        if flow.verdict == record.DROPPED:
            self._report(flow, now)
        return flow

    def _described(self, packet: LoggedPacket, now: float) -> Flow | None:
        """The record; None where it cannot be made: anyone can send a packet, and none may end the agent."""
        try:
            return self._scene.flow(packet, now)
        except Exception:
            if not self.unwritten:
                log.exception("a packet cannot be described: it is not recorded")
            self.unwritten += 1
            return None

    def _keep(self, flow: Flow) -> None:
        try:
            self._lines.append(record.encode(flow))
        except OSError as error:
            if not self.unwritten:
                log.warning("flow records cannot be kept: %s", error)
            self.unwritten += 1

    def _report(self, flow: Flow, now: float) -> None:
        pod = self._scene.subject(flow)
        if pod is None or not (flow.egress_denied_by or flow.ingress_denied_by):
            return
        key = (pod.key.namespace, pod.key.name, flow.traffic_direction)
        if now - self._last_event.get(key, -EVENT_SECONDS) < EVENT_SECONDS:
            return
        self._last_event.pop(key, None)
        self._last_event[key] = now
        while len(self._last_event) > EVENT_PODS:
            del self._last_event[next(iter(self._last_event))]
        self._events(pod, message(flow))


def message(flow: Flow) -> str:
    """The event's text: which connection, and why it was dropped."""
    outwards = flow.traffic_direction == record.EGRESS
    end, address = (flow.destination, flow.addresses.destination) if outwards else (flow.source, flow.addresses.source)
    name = f"{end.namespace}/{end.pod_name} ({address})" if end.pod_name else address
    port = f" {flow.l4.port}" if flow.l4.port is not None else ""
    through = f" by Service {flow.destination_service.name}" if flow.destination_service is not None else ""
    way = f"{flow.l4.protocol or 'packet'}{port} {'to' if outwards else 'from'} {name}{through}"
    return f"{way} {flow.summary}"
