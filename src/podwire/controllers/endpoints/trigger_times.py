"""When the change occurred that made the endpoints of a Service change. No I/O.

The time is an annotation of slices and Endpoints, from which proxies compute how long programming took. Source:
kubernetes `staging/src/k8s.io/endpointslice/util/trigger_time_tracker.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.kube.core import Pod
    from podwire.kube.meta import NamespacedName
    from podwire.kube.services import Service

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass(slots=True)
class _Seen:
    """The trigger times at the last call."""

    service: str
    pods: dict[str, str] = field(default_factory=dict)


class TriggerTimes:
    """The trigger times of all Services. Times are RFC 3339 text in UTC with whole seconds, which sorts by time."""

    def __init__(self) -> None:
        self._seen: dict[NamespacedName, _Seen] = {}

    def changed(self, service: Service, pods: Iterable[Pod]) -> str:
        """Return the earliest trigger time that is new since the last call; empty where none is.

        That of a Service which is seen first is its creation.
        """
        created = service.metadata.creation_timestamp or ""
        times = {pod.metadata.name: time for pod in pods if (time := _ready_since(pod))}
        before = self._seen.get(service.key)
        self._seen[service.key] = _Seen(created, times)
        if before is None:
            return created
        newer = [time for name, time in times.items() if time > before.pods.get(name, "")]
        newer += [created] if created > before.service else []
        return min(newer, default="")

    def remove(self, service: NamespacedName) -> None:
        """Drop what is known of a deleted Service."""
        self._seen.pop(service, None)


def with_trigger_time(annotations: dict[str, str], time: str) -> dict[str, str]:
    """Return the annotations with this trigger time, or without one where the time is empty."""
    kept = {name: value for name, value in annotations.items() if name != TRIGGER_TIME}
    return {**kept, TRIGGER_TIME: time} if time else kept


def _ready_since(pod: Pod) -> str:
    """Return when the Ready condition of the pod last changed."""
    return next((one.last_transition_time or "" for one in pod.status.conditions if one.type == "Ready"), "")
