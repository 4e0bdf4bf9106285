from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from podwire.kube.client import ApiError
from podwire.kube.core import Pod
from podwire.kube.kinds import PODS
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.recorder import Recorder

WEB = Pod(metadata=ObjectMeta(name="web", namespace="shop", uid="7"))


class Events:
    """The Events that a recorder writes, by name."""

    def __init__(self) -> None:
        self.stand: dict[str, dict[str, Any]] = {}

    async def create(self, _: object, body: dict[str, Any], namespace: str) -> None:
        assert namespace == "shop"
        self.stand[body["metadata"]["name"]] = body

    async def patch(self, _: object, key: NamespacedName, change: dict[str, Any]) -> None:
        if key.name not in self.stand:
            raise ApiError(404, "NotFound", "gone")
        self.stand[key.name].update(change)

    async def when(self, count: int) -> list[dict[str, Any]]:
        """The Events as a list has them, by name, as soon as they count so many notices."""
        async with asyncio.timeout(60):
            while sum(event["count"] for event in self.stand.values()) < count:  # noqa: ASYNC110 - a fake sets no events
                await asyncio.sleep(0.001)
        return [self.stand[name] for name in sorted(self.stand)]


@asynccontextmanager
async def recorder() -> AsyncIterator[tuple[Recorder, Events]]:
    events = Events()
    subject = Recorder(events, "test")  # type: ignore[arg-type]
    task = asyncio.create_task(subject.run())
    yield subject, events
    task.cancel()


async def test_events_are_listed_and_sort_in_the_order_in_which_they_were_recorded() -> None:
    async with recorder() as (subject, events):
        reasons = [f"Reason{number}" for number in range(20)]
        for reason in reasons:
            subject.event(PODS, WEB, reason, "so")
        listed = await events.when(20)
        assert [event["reason"] for event in listed] == reasons
        assert sorted(event["lastTimestamp"] for event in listed) == [event["lastTimestamp"] for event in listed]
        assert len({event["lastTimestamp"] for event in listed}) == 20, "none is reported at the same time as another"


async def test_equal_events_are_one_with_a_count_and_the_last_time() -> None:
    async with recorder() as (subject, events):
        subject.event(PODS, WEB, "BackOff", "again", warning=True)
        await events.when(1)
        subject.event(PODS, WEB, "BackOff", "again", warning=True)
        subject.event(PODS, WEB, "BackOff", "again", warning=True)
        (event,) = await events.when(3)
        assert (event["count"], event["type"]) == (3, "Warning")
        assert event["firstTimestamp"] < event["lastTimestamp"]
        events.stand.clear()
        subject.event(PODS, WEB, "BackOff", "again", warning=True)
        subject.event(PODS, WEB, "Other", "more")
        assert {"Other"} <= {event["reason"] for event in await events.when(1)}, "a deleted Event stops nothing"
