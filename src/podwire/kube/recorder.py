"""The event recorder: Events about objects, as `kubectl describe` and `kubectl events` show them.

Equal events of one object are one Event with a count. Times have microseconds, which is what kubectl sorts by when it
shows them, and the name of an Event holds its time, which is what lists sort by. Source: k8s.io/api `core/v1` Event,
client-go `tools/record/event.go`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.kube.client import ApiError
from podwire.kube.kinds import EVENTS
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

CACHE_SIZE = 1000
"""Events whose count can still grow; for an older one a new Event is created."""


class EventKey(msgspec.Struct, frozen=True):
    """What makes two events equal. `type` is Normal or Warning."""

    api_version: str
    kind: str
    key: NamespacedName
    uid: str
    type: str
    reason: str
    message: str


class _Series(msgspec.Struct):
    """How often an event occurred, and the name of its Event object."""

    first: datetime
    last: datetime
    count: int = 0
    name: str = ""
    written: int = 0


class Recorder:
    """Takes events without blocking and writes them in the background; `run` must run once."""

    def __init__(self, client: Client, component: str) -> None:
        self._client = client
        self._component = component
        self._series: dict[EventKey, _Series] = {}
        self._now = datetime.now(UTC)
        self._queue: WorkQueue[EventKey] = WorkQueue(f"events of {component}", self._write, workers=2)

    def event(self, kind: Kind[Any], item: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """Record an event about an object. Never blocks and never raises."""
        key = EventKey(
            kind.api_version,
            kind.kind,
            item.key,
            item.metadata.uid,
            "Warning" if warning else "Normal",
            reason,
            message,
        )
        now = self._now = max(datetime.now(UTC), self._now + timedelta(microseconds=1))
        series = self._series.pop(key, None) or _Series(now, now)
        series.count += 1
        series.last = now
        self._series[key] = series
        while len(self._series) > CACHE_SIZE:
            del self._series[next(iter(self._series))]
        self._queue.add(key)

    async def run(self) -> None:
        """Write recorded events until cancelled."""
        await self._queue.run()

    async def _write(self, key: EventKey) -> None:
        series = self._series.get(key)
        if series is None or series.written == series.count:
            return
        count = series.count
        try:
            if series.name:
                await self._update(key, series)
            else:
                name = f"{key.key.name}.{int(series.last.timestamp() * 1e6):x}"
                namespace = key.key.namespace or "default"
                await self._client.create(
                    EVENTS, body(key, name, (series.first, series.last), series.count, self._component), namespace
                )
                series.name = name
        except ApiError as error:
            if error.code >= 500:
                raise
            series.name = ""  # the namespace is being deleted, or the Event was: the next one creates another
        series.written = count

    async def _update(self, key: EventKey, series: _Series) -> None:
        name = NamespacedName(key.key.namespace or "default", series.name)
        await self._client.patch(EVENTS, name, {"count": series.count, "lastTimestamp": precise(series.last)})


def precise(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def body(key: EventKey, name: str, when: tuple[datetime, datetime], count: int, component: str) -> dict[str, Any]:
    """Return the Event object as JSON; `when` are the times of the first and the last occurrence."""
    first, last = map(precise, when)
    return {
        "metadata": {"name": name, "namespace": key.key.namespace or "default"},
        "involvedObject": {
            "apiVersion": key.api_version,
            "kind": key.kind,
            "name": key.key.name,
            **({"namespace": key.key.namespace} if key.key.namespace else {}),
            "uid": key.uid,
        },
        "type": key.type,
        "reason": key.reason,
        "message": key.message,
        "count": count,
        "firstTimestamp": first,
        "lastTimestamp": last,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
    }
