"""Events: what a controller tells people about an object (`kubectl describe`, `kubectl events`).

Equal events of one object are one Event with a count. A second is long here: the times have microseconds, which sort
what kubectl shows, and an Event's name has its time, as upstream, which sorts what it lists. Source: k8s.io/api
`core/v1` Event, k8s.io/client-go `tools/record/event.go`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from podwire.controllers.machinery.work_queue import WorkQueue
from podwire.kube.client import ApiError
from podwire.kube.kinds import EVENTS
from podwire.kube.meta import NamespacedName, Object

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

REMEMBERED = 1000
"""Events that can still be counted up; of older ones a new Event is made."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said about which object. Type is Normal or Warning."""

    api_version: str
    kind: str
    key: NamespacedName
    uid: str
    type: str
    reason: str
    message: str


@dataclass(slots=True)
class _Tally:
    """How often a notice came, and the Event that says so."""

    first: datetime
    last: datetime
    count: int = 0
    name: str = ""
    written: int = 0


class Recorder:
    """Takes notices at once and writes them behind the controller's back. `run` it once."""

    def __init__(self, client: Client, component: str) -> None:
        self._client = client
        self._component = component
        self._tallies: dict[Notice, _Tally] = {}
        self._now = datetime.now(UTC)
        self._queue: WorkQueue[Notice] = WorkQueue(f"events of {component}", self._write, workers=2)

    def tell(self, kind: Kind[Any], item: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """Say something about an object."""
        notice = Notice(
            kind.api_version,
            kind.kind,
            item.key,
            item.metadata.uid,
            "Warning" if warning else "Normal",
            reason,
            message,
        )
        now = self._now = max(datetime.now(UTC), self._now + timedelta(microseconds=1))
        tally = self._tallies.pop(notice, None) or _Tally(now, now)
        tally.count += 1
        tally.last = now
        self._tallies[notice] = tally
        while len(self._tallies) > REMEMBERED:
            del self._tallies[next(iter(self._tallies))]
        self._queue.add(notice)

    async def run(self) -> None:
        """Write what is told, for ever."""
        await self._queue.run()

    async def _write(self, notice: Notice) -> None:
        tally = self._tallies.get(notice)
        if tally is None or tally.written == tally.count:
            return
        count = tally.count
        try:
            if tally.name:
                await self._count_up(notice, tally)
            else:
                name = f"{notice.key.name}.{int(tally.last.timestamp() * 1e6):x}"
                namespace = notice.key.namespace or "default"
                await self._client.create(
                    EVENTS, body(notice, name, (tally.first, tally.last), tally.count, self._component), namespace
                )
                tally.name = name
        except ApiError as error:
            if error.code >= 500:
                raise
            tally.name = ""  # the namespace is ending, or the Event has been deleted: the next notice starts anew
        tally.written = count

    async def _count_up(self, notice: Notice, tally: _Tally) -> None:
        key = NamespacedName(notice.key.namespace or "default", tally.name)
        await self._client.patch(EVENTS, key, {"count": tally.count, "lastTimestamp": precise(tally.last)})


def precise(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def body(notice: Notice, name: str, when: tuple[datetime, datetime], count: int, component: str) -> dict[str, Any]:
    """The Event object of a notice that came first and last at these times."""
    first, last = map(precise, when)
    return {
        "metadata": {"name": name, "namespace": notice.key.namespace or "default"},
        "involvedObject": {
            "apiVersion": notice.api_version,
            "kind": notice.kind,
            "name": notice.key.name,
            **({"namespace": notice.key.namespace} if notice.key.namespace else {}),
            "uid": notice.uid,
        },
        "type": notice.type,
        "reason": notice.reason,
        "message": notice.message,
        "count": count,
        "firstTimestamp": first,
        "lastTimestamp": last,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
    }
